"""Which uniforms of a day decide what, so that effects do not disturb each other.

The first effects share one fixed layout of columns. It is closed: an effect that came later draws from a stream of its
own (`DayDraws.stream`), which its name and the day's salt give, so that no day of any market changes for it.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

Matrix = NDArray[np.float64]

SALT_BITS = 53  # all that a double-precision uniform holds
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

    def salt(self, uniforms: Matrix) -> NDArray[np.uint64]:
        """A whole number (B,) that tells days apart."""
        salt: NDArray[np.uint64] = np.floor(np.ldexp(self.uniform(uniforms, "salt")[:, 0], SALT_BITS)).astype(np.uint64)
        return salt

    def stream_normal(self, uniforms: Matrix, name: str, width: int) -> Matrix:
        """A stream's numbers as standard normal scores, (B, width), finite."""
        return np.asarray(ndtri(np.maximum(self.stream(uniforms, name, width), _LEAST_UNIFORM)))

    def stream(self, uniforms: Matrix, name: str, width: int) -> Matrix:
        """Uniforms (B, width) in [0, 1) of the effect `name`: a counter generator keyed by name and salt."""
        key = np.frombuffer(hashlib.blake2b(name.encode(), digest_size=8).digest(), "<u8")
        state = _mixed(self.salt(uniforms) ^ key)
        drawn = _mixed(state[:, None] + np.arange(1, width + 1, dtype=np.uint64) * _GOLDEN)
        return np.ldexp((drawn >> np.uint64(64 - SALT_BITS)).astype(np.float64), -SALT_BITS)


_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def _mixed(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014)."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
