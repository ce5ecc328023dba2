"""What bids spend under a market's law, by value level and scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numba
import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.kpi import CONVERSION, EXPOSURE, INTERACTION
from bidpilot.bidding.landscape import curves
from bidpilot.bidding.landscape.forecast import BidLandscape
from bidpilot.bidding.landscape.unit_curves import SegmentTerms, unit_curves
from bidpilot.envs.logs.auction_log import AuctionLog

AUCTIONS: Final = 1 << 18
"""Of a market's log, at most, that curves are taken over: evenly spaced ones."""
LOG_VALUE: Final = np.arange(-2.0, 2.0)
"""Octaves (V,) of the value levels that curves are taken at; others lie between or beyond them, by the mean bid."""
_LEAST = 2.0**-16
# an argument, since a compiled function that is kept on disk keeps another module's constants with it
_GRID = curves.LOWEST, curves.PER_OCTAVE, curves.POINTS

Matrix = NDArray[np.float64]


class LawAuctions:
    """A market's log at unit level, evenly thinned to at most `most` auctions, which curves are taken over."""

    def __init__(self, log: AuctionLog, most: int = AUCTIONS) -> None:
        pick = np.s_[:: max(1, -(-log.n // most))]
        self._price, self._segment = log.market_price[pick], log.segment[pick].astype(np.int16)
        self._kpi = np.stack([log.exposure[pick], log.interaction[pick], log.conversion[pick]], axis=1)
        self.mean_kpi: Matrix = self._kpi.mean(axis=0, dtype=np.float64)  # (3,)

    def spend(self, direction: Matrix, terms: SegmentTerms) -> Matrix:
        """Second-price spend (V, POINTS), currency per auction at price level 1, of one direction (3,)."""
        spend: Matrix = _spend(
            self._price, self._kpi, self._segment, direction, terms.multiplier[0], terms.share[0], LOG_VALUE, _GRID
        )
        return spend

    def first_price_spend(self, direction: Matrix, terms: SegmentTerms, shading: Matrix) -> Matrix:
        """The same (1, POINTS) where shaded bids are paid, at value level 1 alone."""
        price, kpi = self._price.astype(np.float64), self._kpi.astype(np.float64)
        land = BidLandscape(price, kpi, self._segment, np.full(len(price), 1.0 / len(price)))
        return unit_curves(land, direction[None], np.ones(1, np.bool_), shading, terms).spend


@dataclass(frozen=True)
class LawCurves:
    """Spend per auction at price level 1, by value level and scale, for B directions."""

    spend: Matrix  # (B, V, POINTS) currency
    share: Matrix  # (B, 3) of each KPI in the mean bid at value level 1

    @classmethod
    def of(cls, spend: Matrix, direction: Matrix, mean_kpi: Matrix) -> LawCurves:
        """Of one direction (3,): its spend (V, POINTS), or (1, POINTS) at level 1 alone, which other levels move by the
        mean bid; and the mean KPIs (3,) of the auctions that it is over.
        """
        mean = direction * mean_kpi
        share = mean / mean.sum()
        if len(spend) == 1:
            bid = share[EXPOSURE] + (1.0 - share[EXPOSURE]) * np.exp2(LOG_VALUE)
            spend = curves.lookup(
                np.broadcast_to(spend, (len(bid), curves.POINTS)), curves.GRID + np.log2(bid)[:, None]
            )
        return cls(spend[None], share[None])

    def at(self, level: Matrix) -> Matrix:
        """(K, POINTS) curves at value levels (K,), of the first direction."""
        low, part, shift = self.between(np.broadcast_to(level, (len(self.spend), len(level))))
        below, above = (curves.lookup(self.spend[0, low[0] + k], curves.GRID + shift[k, 0, :, None]) for k in range(2))
        mixed: Matrix = (1.0 - part[0, :, None]) * below + part[0, :, None] * above
        return mixed

    def between(self, level: Matrix) -> tuple[NDArray[np.int64], Matrix, Matrix]:
        """Where value levels (B, T) lie: the level below of `LOG_VALUE`, the part of the way to the one above, and
        the shifts (2, B, T) in octaves that bring both curves to the level's mean bid. All (B, T) but for these.
        """
        last = len(LOG_VALUE) - 1
        place = np.clip(np.log2(level) - LOG_VALUE[0], 0.0, last)
        low = np.minimum(place.astype(np.int64), last - 1)
        bid = self.mean_bid(level)
        known = np.log2(self.mean_bid(np.broadcast_to(np.exp2(LOG_VALUE), (len(level), last + 1))))
        shift = [np.log2(bid) - np.take_along_axis(known, low + k, axis=1) for k in range(2)]
        return low, place - low, np.array(shift)

    def mean_bid(self, level: Matrix) -> Matrix:
        """Mean bid at value levels (B, T), relative to that at level 1: exposure does not move with the level."""
        fixed = self.share[:, EXPOSURE, None]
        bid: Matrix = fixed + (1.0 - fixed) * level
        return bid

    def seen_level(self, level: Matrix, calibration: NDArray[np.float32]) -> Matrix:
        """Value levels (B, T) by the mean bids of predictions off by `calibration` (B, 3) at `level` (B, T)."""
        own = self.share
        moving = (own[:, INTERACTION] + own[:, CONVERSION])[:, None]
        off = own * (calibration - np.array([1.0, 0.0, 0.0]))
        bid = off[:, EXPOSURE, None] + (off[:, INTERACTION] + off[:, CONVERSION])[:, None] * level
        seen: Matrix = np.divide(bid, moving, out=level.copy(), where=moving > 0)
        return np.maximum(seen, _LEAST)


@numba.njit(cache=True, error_model="numpy")
def _spend(price, kpi, segment, direction, multiplier, share, log_value, grid):  # type: ignore[no-untyped-def]
    lowest, per_octave, points = grid
    spend = np.zeros((len(log_value), points + 1))
    levels = 2.0**log_value
    for i in range(len(price)):
        s = segment[i]
        fixed = multiplier[s] * (direction[0] * kpi[i, 0] + share[s])
        moving = multiplier[s] * (direction[1] * kpi[i, 1] + direction[2] * kpi[i, 2])
        for v in range(len(levels)):
            bid = fixed + levels[v] * moving
            if bid > 0.0 and price[i] > 0.0:
                place = (np.log2(price[i] / bid) - lowest) * per_octave
                spend[v, int(np.ceil(min(max(place, 0.0), points)))] += price[i]
    for v in range(len(levels)):
        total = 0.0
        for k in range(points):
            total += spend[v, k]
            spend[v, k] = total / len(price)
    return spend[:, :points].copy()
