"""The best constant rule in hindsight: one scale for the whole day, chosen with every auction known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.scalarisation import utility
from bidpilot.bidding.constraints.together import PRICED, missed, score_factor
from bidpilot.bidding.constraints.totals import DayTotals
from bidpilot.bidding.day.statistics import SlotTotals
from bidpilot.bidding.landscape import shading
from bidpilot.bidding.rule import Rule
from bidpilot.envs.clearing.columns import FirstPrice
from bidpilot.envs.clearing.slot import clear_slot
from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.markets.base import Market
from bidpilot.solvers.hindsight import Hindsight, hindsight_optimum

Floats = NDArray[np.float64]

_COARSE = 2.0 ** (np.arange(-24, 25) / 8)  # around the average price of value at the optimum
_FINE = (2.0 ** (np.arange(-3, 4) / 32), 2.0 ** (np.arange(-2, 3) / 128))


def best_constant_rule(
    market: Market, days: DayBatch, campaigns: CampaignBatch, ideal: Floats, optimum: Hindsight | None = None
) -> Floats:
    """Score (B,) of the best bids `scale * slope . predicted`, one scale a day, scanned to about 1 %.

    The rule is played by the clearing kernel, unshaded: wins in arrival order until the budget stops it, a
    first price pays the bid. So it is a score that a bidder could have had, and never above R*. A scale
    counts only where its day keeps the campaign's hard constraints; 0 where none does.

    Args:
        market: where the days' auctions are.
        days: B days.
        campaigns: B campaigns.
        ideal: ideal point, (B, 3).
        optimum: the days' hindsight optimum, whose slopes are the bid coefficients; None: found here.

    Raises:
        ZeroIdealPoint: the ideal point is zero for a KPI with a positive preference.
    """
    best = optimum or hindsight_optimum(market, days, campaigns, ideal)
    slope = best.slope
    worth = np.einsum("bj,bj->b", slope, best.kpi)
    paid = np.where(best.spend > 0, best.spend, campaigns.budget)
    centre = np.where(worth > 0, paid / np.where(worth > 0, worth, 1.0), 0.0)
    player = _Player(market, days, campaigns, ideal)
    score = np.full(len(days), -1.0)
    for steps in (_COARSE, *_FINE):
        tried = np.array([player.score(slope * (centre * step)[:, None]) for step in steps])
        pick = tried.argmax(axis=0)
        score = np.maximum(score, tried.max(axis=0))
        centre = centre * steps[pick]
    best_score: Floats = np.maximum(score, 0.0)
    return best_score


class _Player:
    """Plays whole days with bid coefficients that stay."""

    def __init__(self, market: Market, days: DayBatch, campaigns: CampaignBatch, ideal: Floats) -> None:
        self.market, self.days, self.campaigns, self.ideal = market, days, campaigns, ideal
        rows, self.segments = len(days), len(market.log.segments)
        self.totals = SlotTotals.zeros(rows, self.segments, market.log.sources)

    def score(self, alpha: Floats) -> Floats:
        """Score (B,) of bid coefficients (B, 3); -1 where a hard constraint is broken."""
        rows = len(self.days)
        rule = Rule(alpha, np.ones((rows, self.segments)), np.zeros((rows, self.segments)))
        left, kpi = self.campaigns.budget.copy(), np.zeros((rows, 3))
        wins, spend = np.zeros((rows, self.segments)), np.zeros((rows, self.segments))
        unshaded = FirstPrice(self.campaigns.first_price, np.ones(shading.POINTS), 1.0)
        for t in range(self.market.slots):
            clear_slot(self.market, self.days, t, rule, left, unshaded, alpha, self.totals)
            kpi += self.totals.true
            wins += self.totals.segment_wins
            spend += self.totals.segment_spend
        campaigns = self.campaigns
        score = utility(kpi, self.ideal, campaigns.preference, campaigns.kind)
        factor = score_factor(campaigns.bounds, campaigns.budget - left, kpi)
        if factor is not None:
            score *= factor
        totals = DayTotals.by_segment(self.market.log.segments, spend, kpi, wins, campaigns.conversion_value)
        by_kind = missed(campaigns.bounds, totals)
        kept = np.max([by_kind[kind] for kind in PRICED], axis=0) <= 0
        return np.where(kept, score, -1.0)
