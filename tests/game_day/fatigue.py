"""Alert fatigue: honest days in a row with the guard on, and what it tells of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bidpilot.serving.calendar import DAY
from bidpilot.serving.incidents.incident import Level
from tests.game_day.plays import Bundles, honest
from tests.game_day.walk import START

_FIRST = 100  # seed of the first honest day: none of a game day's


@dataclass(frozen=True)
class Fatigue:
    """What was told of honest days."""

    days: int
    incidents: int
    days_with: int  # that had an incident
    by_risk: dict[str, int]
    by_level: dict[int, int]  # incidents by the greatest level that they reached
    value_lost: float  # share of the value without the guard, over all days

    @property
    def stops(self) -> int:
        """Incidents that stopped the campaign."""
        return self.by_level.get(Level.stop, 0)

    def as_row(self) -> dict[str, Any]:
        """For a file of JSON rows."""
        return asdict(self) | {"stops": self.stops}

    def __str__(self) -> str:
        risks = ", ".join(f"{risk} {count}" for risk, count in sorted(self.by_risk.items())) or "none"
        levels = ", ".join(f"level {level}: {count}" for level, count in sorted(self.by_level.items())) or "none"
        return (
            f"{self.incidents} incidents on {self.days_with} of {self.days} honest days, "
            f"{self.incidents / self.days:.2f} a day ({risks}); {levels}; the guard costs {self.value_lost:.2%} of "
            "value"
        )


def fatigue(bundles: Bundles, folder: Path, days: int) -> Fatigue:
    """Walk honest days in a row, each with a restart at midnight, with the guard and without it."""
    plays = [honest(bundles, folder, _FIRST + d, START + d * DAY) for d in range(days)]
    found = {each.id: each for guarded, _ in plays for each in guarded.incidents}
    with_guard, without = (sum(pair[k].value for pair in plays) for k in (0, 1))
    return Fatigue(
        days=days,
        incidents=len(found),
        days_with=len({each.day for each in found.values()}),
        by_risk=dict(Counter(each.risk.value for each in found.values())),
        by_level=dict(Counter(max((int(s.level) for s in each.steps), default=0) for each in found.values())),
        value_lost=1.0 - with_guard / without,
    )
