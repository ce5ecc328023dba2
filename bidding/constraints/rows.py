"""A campaign's constraints as linear rows over a day's totals, in dimensionless units.

Totals are the spend per segment (in budgets), the KPIs (in ideal points) and the wins per segment (in shares
of the day's auctions). All that a campaign may insist on is linear in them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.campaign.campaign import CampaignBatch
from bidpilot.bidding.campaign.segments import channel_index, channels, check_channels, is_tail
from bidpilot.bidding.errors import InfeasibleCampaign
from bidpilot.bidding.kpi import CONVERSION, KPI
from bidpilot.bidding.landscape.binned import BinnedDay

Vector = NDArray[np.float64]


class Limit(NamedTuple):
    """`money . spend - value . kpi + wins . wins <= bound`."""

    name: str  # budget, max_cpa, min_roi, floor/KPI, min_tail_share, cap/CHANNEL
    money: Vector  # (S,) per budget spent in a segment
    value: Vector  # (3,) per ideal point
    wins: Vector  # (S,) per share of the day's auctions won in a segment
    bound: float


class Scaled(NamedTuple):
    """The binned day in a campaign's units: a total is the sum over bins of share bought times these."""

    share: Vector  # (T, N) of the day's auctions
    price: Vector  # (N,) budgets that a day of such auctions costs at price level 1
    value: Vector  # (N, 3) ideal points that it brings
    curve: Vector  # (T,) price level by slot
    segment: NDArray[np.int64]  # (N,)


def scaled_day(day: BinnedDay, budget: float, ideal: Vector) -> Scaled:
    """The day in units of `budget` (currency) and of `ideal` (3,), conversions in money."""
    demand = day.demand
    return Scaled(
        share=np.multiply.outer(day.auctions / demand, day.weight),
        price=day.price * (demand / budget),
        value=day.value * (demand / np.where(ideal > 0, ideal, 1.0)),
        curve=day.price_curve,
        segment=day.segment,
    )


def limits(
    campaigns: CampaignBatch, row: int, segments: tuple[str, ...], ideal: Vector, auctions_per_budget: float
) -> tuple[Limit, ...]:
    """The constraints of one campaign, the budget first. `ideal` (3,) has conversions in money.

    `auctions_per_budget` is the share of a day's auctions that the budget buys at mean price; it brings the tail
    share to order 1.

    Raises:
        UnknownChannel: a cap names a channel that no segment belongs to.
        InfeasibleCampaign: a floor for a KPI that never occurs.
    """
    check_channels(campaigns.channel_caps, segments)
    budget, worth = float(campaigns.budget[row]), float(campaigns.conversion_value[row])
    none, all_money = np.zeros(len(segments)), np.ones(len(segments))
    unit = np.eye(3)
    per_budget = ideal[CONVERSION] / budget  # money that one ideal point of conversions is worth, in budgets
    rows = [Limit("budget", all_money, np.zeros(3), none, 1.0 - float(campaigns.reserve[row]))]
    if np.isfinite(cap := campaigns.max_cpa[row]):
        rows.append(Limit("max_cpa", all_money, unit[CONVERSION] * (per_budget * cap / worth), none, 0.0))
    if (roi := campaigns.min_roi[row]) > 0:
        rows.append(Limit("min_roi", all_money * roi, unit[CONVERSION] * per_budget, none, 0.0))
    money = np.array([1.0, 1.0, worth])
    for j in np.flatnonzero(campaigns.kpi_floors[row] > 0):
        floor = float(campaigns.kpi_floors[row, j])
        if ideal[j] <= 0:
            raise InfeasibleCampaign(
                f"the floor of {KPI[j]} is {floor:g} but the forecast has no {KPI[j]}. Drop the floor, or use a log "
                "that has it."
            )
        rows.append(Limit(f"floor/{KPI[j]}", none, unit[j], none, -floor * money[j] / ideal[j]))
    if (least := campaigns.min_tail_share[row]) > 0:
        tail = (least - is_tail(segments)) / auctions_per_budget
        rows.append(Limit("min_tail_share", none, np.zeros(3), tail, 0.0))
    channel, names = channel_index(segments), channels(segments)
    for name, most in campaigns.channel_caps.items():
        if np.isfinite(most[row]):
            inside = (channel == names.index(name)).astype(np.float64)
            rows.append(Limit(f"cap/{name}", inside, np.zeros(3), none, float(most[row]) / budget))
    return tuple(rows)
