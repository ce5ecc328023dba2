"""Which uniforms of a day decide what: one fixed layout, so that effects do not disturb each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

Matrix = NDArray[np.float64]

_LEAST_UNIFORM = 2.0**-54  # a uniform of exactly 0 would be an infinite normal score


class DayDraws:
    """Named columns of a (B, draws) matrix of standard uniforms.

    The layout depends on the shape of a day alone, not on which effects are on: turning an effect on
    leaves everything else of the same day as it was.
    """

    def __init__(self, slots: int, blocks: int, half_blocks: int, segments: int, burst_sources: int) -> None:
        widths = {
            "window": 1,
            "salt": 1,
            "day": 3,  # value, price, traffic
            "drift": 3,  # value, price, traffic
            "calibration": 3,
            "category": blocks,
            "own": blocks,
            "block_price": blocks,
            "traffic": half_blocks,
            "arrivals": slots,
            "segment_demand": segments,
            "segment_price": segments,
            "platform_shock": 3,  # whether, where, how deep
            "surge": 2,  # whether, where
            "burst": 2,  # whether, where
            "burst_sources": burst_sources,
        }
        edges = np.cumsum([0, *widths.values()])
        self._columns = {
            name: slice(int(first), int(last)) for name, first, last in zip(widths, edges[:-1], edges[1:], strict=True)
        }
        self.total = int(edges[-1])

    def uniform(self, uniforms: Matrix, name: str) -> Matrix:
        """The named columns, (B, width), in [0, 1)."""
        return uniforms[:, self._columns[name]]

    def normal(self, uniforms: Matrix, name: str) -> Matrix:
        """The named columns as standard normal scores, (B, width), finite."""
        return np.asarray(ndtri(np.maximum(self.uniform(uniforms, name), _LEAST_UNIFORM)))
