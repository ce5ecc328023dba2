"""What reviews teach alert rules: by how much an alarm must pass its threshold to be heard, and what that changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bidpilot.serving.incidents.incident import Incident
from bidpilot.training.incidents.library import verdict_of


@dataclass(frozen=True)
class Lesson:
    """What is learnt of one metric's alarms of one risk."""

    rule: str  # risk/metric
    factor: float  # of the threshold; 1: nothing is learnt
    false: int  # incidents that reviews called false alarms
    silenced: int  # of those, the ones that would not have been opened
    real: int  # incidents that reviews called real
    delay: float  # slots, the longest by which one of those would have been noticed later
    unreviewed: int  # incidents of no verdict
    unopened: int  # of those, the ones that would not have been opened

    def summary(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True)
class _Case:
    """How far one incident's alarms passed their threshold, in the order they came."""

    verdict: str | None
    at: tuple[float, ...]  # slots since the first
    ratio: tuple[float, ...]  # score / threshold

    def delay(self, factor: float) -> float | None:
        """Slots by which it would have been noticed later; None: not at all."""
        return next((at for at, ratio in zip(self.at, self.ratio, strict=True) if ratio > factor), None)


def learn(incidents: Sequence[Incident], most_delay: float) -> list[Lesson]:
    """A lesson for each rule that was reviewed: the factor that silences most false alarms.

    No real incident may be missed or noticed more than `most_delay` slots later.
    """
    rules: dict[str, list[_Case]] = {}
    for incident in incidents:
        for metric in dict.fromkeys(a["metric"] for a in incident.alarms if "metric" in a):
            case = _case(incident, metric)
            if case.ratio:
                rules.setdefault(f"{incident.risk}/{metric}", []).append(case)
    return [_lesson(rule, cases, most_delay) for rule, cases in sorted(rules.items())]


def _case(incident: Incident, metric: str) -> _Case:
    told = [a for a in incident.alarms if a.get("metric") == metric or (a.get("lasts") and "score" in a)]
    begun = next((k for k, a in enumerate(told) if a.get("metric") == metric), 0)
    told = [a for a in told[begun:] if a.get("threshold", 0) > 0]
    first = told[0]["at"] if told else 0.0
    return _Case(
        verdict_of(incident),
        tuple((a["at"] - first) / incident.slot_seconds for a in told),
        tuple(a["score"] / a["threshold"] for a in told),
    )


def _lesson(rule: str, cases: Sequence[_Case], most_delay: float) -> Lesson:
    false = [case for case in cases if case.verdict == "false_alarm"]
    real = [case for case in cases if case.verdict == "real"]
    other = [case for case in cases if case.verdict not in ("false_alarm", "real")]

    def fits(factor: float) -> bool:
        delays = [case.delay(factor) for case in real]
        return all(delay is not None and delay <= most_delay for delay in delays)

    candidates = sorted({1.0, *(round(max(case.ratio), 3) + 0.001 for case in false)})
    factor = max((f for f in candidates if f == 1.0 or fits(f)), default=1.0)
    return Lesson(
        rule=rule,
        factor=factor,
        false=len(false),
        silenced=sum(case.delay(factor) is None for case in false),
        real=len(real),
        delay=max((case.delay(factor) or 0.0 for case in real), default=0.0),
        unreviewed=len(other),
        unopened=sum(case.delay(factor) is None for case in other),
    )
