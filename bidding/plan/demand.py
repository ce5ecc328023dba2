"""Which demand curve a day follows, and how much traffic: the forecast's, the same at other hours, or a flatter one.

A hypothesis is a curve over the day's slots and a normal prior of the day's log2 level on it. Arrivals are counted in
windows of half a level block; in each, log2 of arrivals over the curve is the day's level and independent noise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.landscape.spread import Spread

OTHER = 0.2
"""Prior weight of all curves together that are not the forecast's."""
UNLIKE = 0.2
"""Prior weight, among days on the forecast's curve, of those whose level is `WIDER`."""
WIDER = 0.15
"""What the variance of such a day's level, and of one on another curve, has on top, octaves squared."""
_TURNS = 12  # places round the day that the forecast's curve is rolled to
_WINDOW_NOISE = 3.0  # variance of a window's level over that of a block of two: they differ, and curves are rough
_MEMORY = 8  # of the latest slots, each of which counts half as much as the next
_LEAST = 1e-9


class Doubts(NamedTuple):
    """How much the forecast's traffic is doubted."""

    other: float = OTHER
    unlike: float = UNLIKE
    recent: float = 0.5
    """Of the gap between what is believed of a block's traffic and that of the latest slots: how much is believed."""


DOUBTS: Final = Doubts()
"""What `adaptive` is played with."""


class _Evidence(NamedTuple):
    """What the arrivals of the slots before one are held against."""

    edges: NDArray[np.int64]  # (N + 1,) of the windows
    told: NDArray[np.float64]  # (H, N, 1) log2 of each hypothesis' arrivals
    precision: NDArray[np.float64]  # (N, 1)
    later: NDArray[np.float64]  # (H, 1) arrivals of later blocks over those of the forecast
    rest: NDArray[np.float64]  # (H, 1) the same of the rest of this block


Gaps = Callable[
    [NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]], tuple[NDArray[np.float64], NDArray[np.float64]]
]


def sums_of_gaps(
    seen: NDArray[np.float64], told: NDArray[np.float64], precision: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sums (H, B) over windows of precision (N, 1) times seen (N, B) minus told (H, N, 1), and times its square."""
    gap = seen - told
    weighed = precision * gap
    return _in_turn(weighed, 1), _in_turn(weighed * gap, 1)


class DemandCurves:
    """A posterior over demand curves and levels of a day."""

    def __init__(self, forecast: Forecast, spread: Spread, doubts: Doubts = DOUBTS) -> None:
        """Of days whose log2 traffic level varies by `spread` (1,); a hypothesis without prior weight is left out."""
        usual, slots = forecast.auctions, forecast.slots
        rolled = [np.roll(usual, k) for k in sorted({k * slots // _TURNS for k in range(1, _TURNS)} - {0})]
        flat = np.full(slots, usual.mean())
        others = [*rolled, flat, 0.5 * (usual + flat)]
        curves = np.stack([usual, usual, *others])
        prior = np.full(len(curves), doubts.other / len(others))
        prior[:2] = (1.0 - doubts.other) * np.array([1.0 - doubts.unlike, doubts.unlike])
        variance = np.full((len(prior), 1), float(spread.day[0]) + WIDER)  # (H, 1) of the day's level
        variance[0] = spread.day[0]
        held = prior > 0.0
        self._forecast, self._curves, self._variance = forecast, curves[held], variance[held]
        self._log_prior, self._recent = np.log(prior[held])[:, None], doubts.recent
        self._noise = _WINDOW_NOISE * float(spread.block[0]), float(spread.slot[0])
        self._evidence = [self._evidence_before(t) for t in range(slots + 1)]
        self._log_usual = np.log2(np.where(usual > 0, usual, 1.0))[:, None]

    def _evidence_before(self, t: int) -> _Evidence:
        width = self._forecast.level_slots
        edges = np.append(np.arange(0, t, max(width // 2, 1)), t)
        begins = -(-t // width) * width  # of the later blocks
        block, slot = self._noise
        total = np.cumsum(np.insert(self._curves, 0, 0.0, axis=1), axis=1)
        return _Evidence(
            edges,
            np.log2(np.maximum(np.diff(total[:, edges]), 0.5))[:, :, None],
            1.0 / (block + slot / np.diff(edges))[:, None],
            self._relative(self._curves[:, begins:]),
            self._relative(self._curves[:, t:begins]),
        )

    @staticmethod
    def _relative(part: NDArray[np.float64]) -> NDArray[np.float64]:
        """Arrivals (H, 1) over those of the forecast; 1 where it expects none."""
        total = part.sum(axis=1, keepdims=True)
        return total / total[0] if total[0] > 0 else np.ones_like(total)

    def posterior(
        self,
        arrived: NDArray[np.float64],
        t: int,
        gaps: Gaps = sums_of_gaps,
        doubt: NDArray[np.float64] | float = 0.0,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Weights and mean log2 levels (H, B) of the hypotheses after `t` slots with cumulative arrivals (T + 1, B).

        `doubt` (B,) is variance of the day's level on top of the hypotheses' own.
        """
        told = self._evidence[t]
        seen = np.log2(np.maximum(np.diff(arrived[told.edges], axis=0), 0.5))
        first, second = gaps(seen, told.told, told.precision)
        precision = float(told.precision.sum())
        variance = self._variance + doubt
        level = first / (precision + 1.0 / variance)
        fit = second - first * level + np.log(1.0 + precision * variance)  # -2 log of the marginal likelihood
        log_weight = self._log_prior - 0.5 * fit
        weight = np.exp(log_weight - log_weight.max(axis=0))
        return weight / _in_turn(weight, 0), level

    def levels(
        self,
        arrived: NDArray[np.float64],
        t: int,
        gaps: Gaps = sums_of_gaps,
        doubt: NDArray[np.float64] | float = 0.0,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """log2 of what is expected to arrive over the forecast (B,), of later blocks and of the rest of this one.

        The latter is drawn to the traffic of the latest slots. `gaps` may be a faster form of `sums_of_gaps`; `doubt`
        is as for `posterior`.
        """
        if t == 0:
            return np.zeros(arrived.shape[1]), np.zeros(arrived.shape[1])
        weight, level = self.posterior(arrived, t, gaps, doubt)
        expected = weight * np.exp2(level)
        told = self._evidence[t]
        later, rest = (np.log2(np.maximum(_in_turn(expected * part, 0), _LEAST)) for part in (told.later, told.rest))
        return later, rest + self._recent * (self._latest(arrived, t) - rest)

    def _latest(self, arrived: NDArray[np.float64], t: int) -> NDArray[np.float64]:
        """log2 traffic level (B,) of the latest of `t` slots; 0 in slots that the forecast expects nothing of."""
        first = max(t - _MEMORY, 0)
        level = np.log2(np.maximum(np.diff(arrived[first : t + 1], axis=0), 0.5)) - self._log_usual[first:t]
        weight = np.where(self._forecast.auctions[first:t] > 0, 0.5 ** np.arange(t - first)[::-1], 0.0)
        mean: NDArray[np.float64] = _in_turn(weight[:, None] * level, 0) / max(weight.sum(), _LEAST)
        return mean


def _in_turn(array: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Sum over an axis, one after the other, so that a row's does not depend on how many there are beside it."""
    first, *others = np.moveaxis(array, axis, 0)
    total: NDArray[np.float64] = first.copy()
    for other in others:
        total += other
    return total
