"""What new weights would change on a forecast: bids, spend by channel and KPIs, by the plan under either."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.campaign.segments import channel_index, channels
from bidpilot.bidding.kpi import KPI
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.solvers.allocation import Allocation, allocate
from bidpilot.training.profiles.propose import Proposal
from bidpilot.training.roi.intervals import Array


@dataclass(frozen=True)
class Effect:
    """One number of a day's plan, under the present and under the proposed preference."""

    what: str
    unit: str
    present: float
    proposed: float

    @property
    def change(self) -> float | None:
        """Relative; None where there was nothing before."""
        return self.proposed / self.present - 1.0 if self.present else None


def effects(forecast: Forecast, campaign: Campaign, proposal: Proposal) -> tuple[Effect, ...]:
    """What the proposed preference would change for a campaign, by what is planned of a day.

    The order value is of the plans' KPIs at what the proposal found each to be worth.

    Raises:
        InfeasibleCampaign, ZeroIdealPoint: the campaign cannot be planned under either.
    """
    before, after = (
        allocate(forecast, campaign.model_copy(update={"preference": profile.preference}))
        for profile in (proposal.present, proposal.proposed)
    )
    names = channels(before.segments)
    worth = np.array([found.value for found in proposal.worth], np.float64)
    rows = [Effect(f"bid per {name}", "currency", *_both(before.alpha, after.alpha, j)) for j, name in enumerate(KPI)]
    spend = [_by_channel(plan) for plan in (before, after)]
    rows += [Effect(f"spend in {name}", "currency", *_both(spend[0], spend[1], c)) for c, name in enumerate(names)]
    rows += [Effect(name, "a day", *_both(before.kpi, after.kpi, j)) for j, name in enumerate(KPI)]
    rows.append(Effect("exposures won", "a day", float(before.wins.sum()), float(after.wins.sum())))
    rows.append(Effect("order value", "currency", float(before.kpi @ worth), float(after.kpi @ worth)))
    return tuple(rows)


def _both(before: Array, after: Array, place: int) -> tuple[float, float]:
    return float(before[place]), float(after[place])


def _by_channel(plan: Allocation) -> Array:
    index = channel_index(plan.segments)
    return np.bincount(index, plan.spend.sum(axis=0), len(channels(plan.segments))).astype(np.float64)
