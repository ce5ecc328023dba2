"""Whether a campaign can be planned on a forecast at all: asked before any run is made."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.errors import InfeasibleCampaign, ZeroIdealPoint
from bidpilot.bidding.kpi import KPI
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.plan.planner import Planner


def check_feasible(name: str, forecast: Forecast, campaign: Campaign) -> None:
    """Refuse a campaign that has no plan on the forecast of the setting `name`.

    Raises:
        ZeroIdealPoint: the preference weighs a KPI that the forecast has none of.
        UnknownChannel, InfeasibleCampaign: likewise of its constraints, be it that only a spend of 0 keeps them.
    """
    check_weighed(name, campaign, forecast.landscape.mean_value > 0)
    plan, _ = Planner(forecast).plan(CampaignBatch.repeat(campaign, 1))
    if not plan.spend[0, -1] > 0:
        raise InfeasibleCampaign(
            f"on {name} the campaign's constraints leave nothing to buy: they hold for no spend above 0. Relax them, "
            "or leave out those on a KPI that it has none of."
        )


def check_recorded(
    name: str, forecast: Forecast, campaign: Campaign, recorded: Mapping[str, NDArray[np.float64]]
) -> None:
    """Refuse days of `name` whose recorded bounds, (D,) by row name, leave nothing to buy by the forecast.

    Raises:
        InfeasibleCampaign: at the least of them the plan spends nothing.
    """
    for row, bound in recorded.items():
        least = float(np.nanmin(bound))
        plan, _ = Planner(forecast).plan(CampaignBatch.repeat(campaign, 1, bounds={row: np.array([least])}))
        if not plan.spend[0, -1] > 0:
            raise InfeasibleCampaign(
                f"a day of {name} records {row} = {least:g}, at which its forecast has nothing to buy. Correct the "
                "day's record, leave the day out, or give --no-targets."
            )


def check_weighed(name: str, campaign: Campaign, has: NDArray[np.bool_]) -> None:
    """Refuse a preference for a KPI that `name` has none of, by `has` (3,).

    Raises:
        ZeroIdealPoint: says which, and which there are.
    """
    lacking = [KPI[j] for j in np.flatnonzero((np.asarray(campaign.preference) > 0) & ~has)]
    if lacking:
        there = ", ".join(KPI[j] for j in np.flatnonzero(has))
        raise ZeroIdealPoint(
            f"the preference {campaign.preference} weighs {' and '.join(lacking)}, which {name} has none of. Give "
            f"--preference with 0 for it; {name} has {there}."
        )
