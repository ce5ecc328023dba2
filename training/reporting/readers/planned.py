"""What a campaign was planned to do under a forecast: its constraints with their prices, the front, the pace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.bundle import plan_entry
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.errors import BidpilotError
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.solvers.allocation import Allocation, ConstraintDual, allocate
from bidpilot.solvers.pareto import ParetoFront, pareto_front
from bidpilot.training.reporting.evidence import Evidence, Front, Limit
from bidpilot.training.weekly.planned import Planned as PlannedDay
from bidpilot.training.weekly.planned import planned_day


@dataclass(frozen=True)
class Planned:
    """A campaign's plan; what could not be planned is in `lacks`, by key of a section."""

    forecast: Forecast
    campaign: Campaign
    plan: Allocation | None
    front: Front | None
    pace: NDArray[np.float64] | None  # (T + 1,) of the budget
    lacks: Mapping[str, str]

    def beside(
        self, evidence: Evidence, reached: NDArray[np.float64] | None = None, kept: Mapping[str, float] | None = None
    ) -> Evidence:
        """The evidence with the plan beside it.

        Args:
            evidence: what was bought.
            reached: (3,) of the ideal point, mean of days.
            kept: share of days that kept each kind of constraint.
        """
        limits = None if self.plan is None else tuple(_limit(dual, kept or {}) for dual in self.plan.duals)
        front = None if self.front is None else replace(self.front, reached=reached)
        return replace(
            evidence,
            limits=limits,
            front=front,
            campaign=self.campaign,
            planned=day_of(self.forecast, self.campaign, evidence),
            lacks={**self.lacks, **evidence.lacks},
        )


def planned(forecast: Forecast, campaign: Campaign, points: int, share: float = 1.0) -> Planned:
    """Plan a campaign that has a share of the traffic, and trace a front of at most `points` plans (0: none).

    What cannot be planned is told and hinders nothing else.
    """
    lacks = {}
    plan, front = None, None
    own = replace(forecast, auctions=forecast.auctions * share)
    try:
        plan = allocate(own, campaign)
    except BidpilotError as error:
        lacks["constraints"] = lacks["front"] = f"The campaign has no plan: {error}"
    if plan is not None and points > 0:
        try:
            front = _front(pareto_front(own, campaign, points), plan)
        except BidpilotError as error:
            lacks["front"] = f"There is no front: {error}"
    elif plan is not None:
        lacks["front"] = "The front was left out. Give --points."
    if front is not None and len(front.active) < 2:
        lacks["front"] = "The forecast has values of one KPI alone, so that there is nothing to trade."
        front = None
    return Planned(forecast, campaign, plan, front, _pace(own, campaign), lacks)


def _pace(forecast: Forecast, campaign: Campaign) -> NDArray[np.float64] | None:
    """(T + 1,) what the rule's plan has spent of the budget after each slot; None where it has no plan."""
    try:
        return np.array(plan_entry(forecast, campaign).spend) / campaign.budget
    except BidpilotError:
        return None


def day_of(forecast: Forecast, campaign: Campaign, evidence: Evidence) -> PlannedDay | None:
    """What a mean day of what was bought was planned to buy; None where nothing was, or a campaign has no plan."""
    if evidence.purchases is None:
        return None
    try:
        return planned_day(forecast, campaign, evidence.purchases, "the plan")
    except BidpilotError:
        return None


def _limit(dual: ConstraintDual, kept: Mapping[str, float]) -> Limit:
    kind = next((name for name in kept if dual.name.startswith((name, name.rstrip("s")))), None)
    return Limit(
        name=dual.name,
        bound=dual.bound,
        attained=dual.attained,
        utility_per_step=dual.utility_per_step,
        money_per_step=dual.money_per_step,
        step=dual.step_name,
        meaning=dual.meaning,
        kept=None if kind is None else kept[kind],
    )


def _front(front: ParetoFront, plan: Allocation) -> Front:
    some = plan.ideal > 0
    own = np.where(some, plan.kpi / np.where(some, plan.ideal, 1.0), 0.0)
    return Front(
        active=front.active,
        share=np.array([point.share for point in front.points]),
        ends=np.array([point.share for point in front.ends]),
        knee=front.knee.share,
        own=own,
    )
