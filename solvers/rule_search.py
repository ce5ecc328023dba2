"""Rules played over whole days, each day at the scale that turns out best for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.scalarisation import utility
from bidpilot.bidding.constraints.together import PRICED, missed, score_factor
from bidpilot.bidding.constraints.totals import DayTotals
from bidpilot.bidding.day.slot_totals import SlotTotals
from bidpilot.bidding.landscape import shading
from bidpilot.bidding.rule import Rule
from bidpilot.envs.clearing.columns import FirstPrice
from bidpilot.envs.clearing.slot import clear_slot
from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.markets.base import Market

Floats = NDArray[np.float64]

_WIDE = 4  # scales tried on either side at first
_FINEST = 2.0**-9  # octaves; the scale that is found lies within 0.2 % of the best nearby


@dataclass(frozen=True)
class Bids:
    """What is bid over a day, slot by slot: rules, and how their values are shaded under first price."""

    rules: Sequence[Rule]  # (T,) of B rows
    shading: Sequence[FirstPrice]  # (T,)

    @classmethod
    def unshaded(cls, rule: Rule, first_price: NDArray[np.bool_], slots: int) -> Bids:
        """The same rule all day; rows (B,) of `first_price` pay what it says."""
        as_is = FirstPrice(first_price, np.ones(shading.POINTS), np.ones(len(first_price)))
        return cls([rule] * slots, [as_is] * slots)


@dataclass(frozen=True)
class Played:
    """B days that were played."""

    score: Floats  # (B,)
    kpi: Floats  # (B, 3) true totals
    excess: Floats  # (B,) the worst relative excess over a hard constraint, 0 where all are kept

    def best(self, other: Played) -> tuple[Played, NDArray[np.bool_]]:
        """Day by day the better of both, and where (B,) that is `other`.

        A day that keeps its constraints is better than one that does not; of two that do not, the one that misses
        them by less.
        """
        takes = other._merit() > self._merit()
        parts = {
            f.name: np.where(
                takes if f.name != "kpi" else takes[:, None], getattr(other, f.name), getattr(self, f.name)
            )
            for f in fields(self)
        }
        return Played(**parts), takes

    def _merit(self) -> Floats:
        return np.where(self.excess > 0, -self.excess, self.score)


class RulePlayer:
    """Plays whole days by the clearing kernel: wins in arrival order until the budget stops them."""

    def __init__(self, market: Market, days: DayBatch, campaigns: CampaignBatch, ideal: Floats) -> None:
        self.campaigns, self._market, self._days, self._ideal = campaigns, market, days, ideal
        self.slots, self.segments = market.slots, len(market.log.segments)
        self._totals = SlotTotals.zeros(len(days), self.segments, market.log.sources)

    def best_scale(self, bids: Bids, centre: Floats, reach: float) -> Played:
        """The days at the best scale of their rules, coefficients and share prices alike.

        Scales are scanned around `centre` (B,), `reach` octaves to either side, and then ever closer around the best.
        """
        step, scale, best = reach / _WIDE, centre, self.play(bids, centre)
        octaves = [step * k for k in range(-_WIDE, _WIDE + 1) if k != 0]
        while True:
            around = scale
            for octave in octaves:
                tried = around * 2.0**octave
                best, takes = best.best(self.play(bids, tried))
                scale = np.where(takes, tried, scale)
            if step <= _FINEST:
                return best
            step /= 2
            octaves = [-step, step]

    def play(self, bids: Bids, scale: Floats) -> Played:
        """The days with coefficients and share prices times `scale` (B,)."""
        rows, campaigns = len(self._days), self.campaigns
        left, kpi = campaigns.budget.copy(), np.zeros((rows, 3))
        wins, spend = np.zeros((rows, self.segments)), np.zeros((rows, self.segments))
        for t, (rule, shaded) in enumerate(zip(bids.rules, bids.shading, strict=True)):
            scaled = replace(rule, alpha=rule.alpha * scale[:, None], beta=rule.beta * scale[:, None])
            clear_slot(self._market, self._days, t, scaled, left, shaded, scaled.alpha, self._totals)
            kpi += self._totals.true
            wins += self._totals.segment_wins
            spend += self._totals.segment_spend
        score = utility(kpi, self._ideal, campaigns.preference, campaigns.kind)
        factor = score_factor(campaigns.bounds, campaigns.budget - left, kpi)
        totals = DayTotals.by_segment(self._market.log.segments, spend, kpi, wins, campaigns.conversion_value)
        by_kind = missed(campaigns.bounds, totals)
        excess = np.max([by_kind[kind] for kind in PRICED], axis=0)
        return Played(score if factor is None else score * factor, kpi, excess)
