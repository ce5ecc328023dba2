"""What one slot brought: what clearing counts, a bid server collects, and the day's statistics take in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.event import EVENTS
from bidpilot.bidding.plan.budget_plan import RATIO_QUANTILES


@dataclass(frozen=True)
class SlotTotals:
    """What one slot brought, per row. Money in currency, KPI in units of the triple."""

    auctions: NDArray[np.int64]  # (B,) that arrived; what the gate refused is not among them, here and below
    requested: NDArray[np.float64]  # (B, 3) predicted KPI of all auctions, won or not, times the gate's multiplier
    price_sum: NDArray[np.float64]  # (B,) market prices of all auctions
    wins: NDArray[np.int64]  # (B,)
    spend: NDArray[np.float64]  # (B,)
    committed: NDArray[np.float64]  # (B,) bids of the won auctions, >= spend, held until these are reported
    predicted: NDArray[np.float64]  # (B, 3) predicted KPI of won auctions
    true: NDArray[np.float64]  # (B, 3) true KPI of won valid auctions
    realised: NDArray[np.float64]  # (B, 3) realised KPI of won auctions
    invalid_wins: NDArray[np.int64]  # (B,) ground truth, for reports only
    segment_auctions: NDArray[np.int64]  # (B, S)
    segment_wins: NDArray[np.int64]  # (B, S)
    segment_spend: NDArray[np.float64]  # (B, S)
    source_auctions: NDArray[np.int64]  # (B, C) requests, the refused among them; 0 where the rule has no gate
    source_refused: NDArray[np.int64]  # (B, C) requests that the gate refused
    source_wins: NDArray[np.int64]  # (B, C)
    source_spend: NDArray[np.float64]  # (B, C)
    source_predicted: NDArray[np.float64]  # (B, C) predicted interactions of won auctions
    source_realised: NDArray[np.float64]  # (B, C) realised interactions of won auctions
    source_exposed: NDArray[np.float64]  # (B, C) predicted exposure of won auctions: the views expected of them
    source_views: NDArray[np.int64]  # (B, C) views told of won auctions
    source_events: NDArray[np.int64]  # (B, C) likes, comments, shares and follows told of won auctions
    source_converted: NDArray[np.float64]  # (B, C) conversions told of won auctions
    funnel: NDArray[np.int64]  # (B, 7) events told of won auctions, by type (`bidpilot.bidding.event`), where known
    ratio_quantiles: NDArray[np.float64]  # (B, 5) of value, times the multiplier, per price at the reference

    @classmethod
    def zeros(cls, rows: int, segments: int, sources: int) -> SlotTotals:
        """Totals of `rows` rows, all zero."""
        count, money, kpi = (rows,), (rows,), (rows, 3)
        return cls(
            auctions=np.zeros(count, np.int64),
            requested=np.zeros(kpi),
            price_sum=np.zeros(money),
            wins=np.zeros(count, np.int64),
            spend=np.zeros(money),
            committed=np.zeros(money),
            predicted=np.zeros(kpi),
            true=np.zeros(kpi),
            realised=np.zeros(kpi),
            invalid_wins=np.zeros(count, np.int64),
            segment_auctions=np.zeros((rows, segments), np.int64),
            segment_wins=np.zeros((rows, segments), np.int64),
            segment_spend=np.zeros((rows, segments)),
            source_auctions=np.zeros((rows, sources), np.int64),
            source_refused=np.zeros((rows, sources), np.int64),
            source_wins=np.zeros((rows, sources), np.int64),
            source_spend=np.zeros((rows, sources)),
            source_predicted=np.zeros((rows, sources)),
            source_realised=np.zeros((rows, sources)),
            source_exposed=np.zeros((rows, sources)),
            source_views=np.zeros((rows, sources), np.int64),
            source_events=np.zeros((rows, sources), np.int64),
            source_converted=np.zeros((rows, sources)),
            funnel=np.zeros((rows, len(EVENTS)), np.int64),
            ratio_quantiles=np.zeros((rows, len(RATIO_QUANTILES))),
        )
