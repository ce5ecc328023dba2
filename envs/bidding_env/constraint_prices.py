"""Prices of missed constraints in training: a multiplier for each kind of constraint and bucket of tightness.

A day that misses a constraint pays its multiplier times the relative excess. After each batch of days a multiplier
rises by what was missed beyond the tolerance and falls where it was kept (dual ascent, Altman 1999, ch. 12).
A soft constraint is not priced: its score already is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.constraints.together import PRICED, asked
from bidpilot.envs.bidding_env.episode import Episode

BUCKETS = 3  # tight, medium and ample budgets, by budget against the market
_EDGES = (0.03, 0.1)


class ConstraintPrices:
    """The multipliers, in plan utilities per relative excess."""

    def __init__(self, rate: float = 2.0, tolerance: float = 0.002, most: float = 20.0) -> None:
        self.rate, self.tolerance, self.most = rate, tolerance, most
        self.multiplier = np.zeros((len(PRICED), BUCKETS))
        self._asked = np.zeros((len(PRICED), BUCKETS), np.bool_)  # whether a day had this constraint

    def charge(self, episode: Episode) -> NDArray[np.float64]:
        """What a finished day pays (B,); adapts the multipliers to what was missed."""
        missed = episode.violations()
        tightness = episode.today.campaigns.budget / episode.today.plan.market[episode.today.index]
        bucket = np.searchsorted(_EDGES, tightness, side="right")
        by_kind = asked(episode.today.campaigns.bounds, episode.rows)
        charge = np.zeros(episode.rows)
        for k, kind in enumerate(PRICED):
            charge += self.multiplier[k, bucket] * missed[kind]
            for b in range(BUCKETS):
                rows = by_kind[kind] & (bucket == b)
                if rows.any():
                    self._asked[k, b] = True
                    gap = float(missed[kind][rows].mean()) - self.tolerance
                    self.multiplier[k, b] = min(max(self.multiplier[k, b] + self.rate * gap, 0.0), self.most)
        return charge

    def metrics(self) -> dict[str, float]:
        """Multipliers by name, for curves: of the constraints that some day had."""
        names = ("tight", "medium", "ample")
        return {
            f"multiplier/{kind}_{names[b]}": float(self.multiplier[k, b])
            for k, kind in enumerate(PRICED)
            for b in range(BUCKETS)
            if self._asked[k, b]
        }
