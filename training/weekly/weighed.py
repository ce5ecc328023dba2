"""By which weights the utility of a week is made, and by whose word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bidpilot.bidding.kpi import KPI
from bidpilot.training.roi.purchases import Purchases
from bidpilot.training.setting.preference import last_of

USUAL: Final = "all on the last KPI of the funnel that is predicted, since nobody named a preference"


@dataclass(frozen=True)
class Weighed:
    """Weights of the KPIs with where they come from."""

    preference: tuple[float, float, float]
    whose: str  # for people

    @classmethod
    def usual(cls, purchases: Purchases) -> Weighed:
        """Where nobody names a preference: what a log has by default, of what was bought."""
        return cls(last_of(purchases.kpi.max(axis=0) > 0), USUAL)

    @property
    def told(self) -> str:
        """What a reader of a utility must know."""
        weights = " : ".join(f"{weight:.3g}" for weight in self.preference)
        return f"utility weighs {', '.join(KPI)} by {weights}: {self.whose}"
