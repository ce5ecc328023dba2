"""Which demand curve a day follows: the forecast's, the same at other hours, or a flatter one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.landscape.spread import Spread

OTHER = 0.2
"""Prior weight of all curves together that are not the forecast's."""
_TURNS = 12  # places that the forecast's curve is rolled to round the day
_LEVEL_VARIANCE = 0.1  # octaves squared, of the day's traffic under any curve
_BLOCK, _LEAST = 1.5, 0.02  # what of the block variance counts against a window's arrivals, and what beside it


class DemandCurves:
    """A posterior over demand curves, by the arrivals of a day so far in windows of half a level block."""

    def __init__(self, forecast: Forecast, spread: Spread) -> None:
        """Begin a day whose traffic varies by `spread` (1,)."""
        usual, slots = forecast.auctions, forecast.slots
        rolls = sorted({k * slots // _TURNS for k in range(1, _TURNS)} - {0})
        flat = np.full(slots, usual.mean())
        self._curves = np.stack([usual, *(np.roll(usual, k) for k in rolls), flat, 0.5 * (usual + flat)])
        prior = np.full(len(self._curves), OTHER / (len(self._curves) - 1))
        prior[0] = 1.0 - OTHER
        self._log_prior = np.log(prior)[:, None]
        self._width, self._level_slots = max(forecast.level_slots // 2, 1), forecast.level_slots
        self._block, self._slot = float(spread.block[0]), float(spread.slot[0])

    def weights(self, arrived: NDArray[np.float64], t: int) -> NDArray[np.float64]:
        """Posterior weights (K, B) after `t` > 0 slots with cumulative arrivals (T + 1, B)."""
        edges = np.append(np.arange(0, t, self._width), t)
        seen = np.log2(np.maximum(np.diff(arrived[edges], axis=0), 0.5))  # (N, B)
        told = np.log2(np.maximum(np.add.reduceat(self._curves[:, :t], edges[:-1], axis=1), 0.5))
        gap = seen - told[:, :, None]  # (K, N, B)
        precision = 1.0 / (_BLOCK * self._block + self._slot / np.diff(edges) + _LEAST)
        level = (precision[:, None] * gap).sum(axis=1) / (precision.sum() + 1.0 / _LEVEL_VARIANCE)  # (K, B)
        unlike = (precision[:, None] * (gap - level[:, None]) ** 2).sum(axis=1) + level**2 / _LEVEL_VARIANCE
        log_weight = self._log_prior - 0.5 * unlike
        weight = np.exp(log_weight - log_weight.max(axis=0))
        return weight / weight.sum(axis=0)  # type: ignore[no-any-return]

    def later(self, arrived: NDArray[np.float64], t: int) -> NDArray[np.float64]:
        """log2 of what is expected to arrive in later blocks (B,) over the forecast, after `t` > 0 slots."""
        begins = -(-t // self._level_slots) * self._level_slots
        share = self._curves[:, begins:].sum(axis=1)
        if share[0] <= 0:
            return np.zeros(arrived.shape[1])
        expected = (self.weights(arrived, t) * (share / share[0])[:, None]).sum(axis=0)
        return np.log2(np.maximum(expected, 1e-9))  # type: ignore[no-any-return]
