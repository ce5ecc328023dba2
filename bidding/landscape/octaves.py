"""A grid of positive numbers that is linear within an octave, so that a bin is a float32's leading bits."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class OctaveGrid(NamedTuple):
    """Bins between `2 ** -octaves` and `2 ** octaves`, `2 ** log2_per_octave` of equal width to the octave."""

    octaves: int
    log2_per_octave: int

    @property
    def bins(self) -> int:
        """Number of bins; what lies outside counts in the first or the last."""
        return 2 * self.octaves << self.log2_per_octave

    @property
    def shift(self) -> int:
        """Bits of a float32 below those that tell its bin."""
        return 23 - self.log2_per_octave

    @property
    def first(self) -> int:
        """Leading bits of the first bin's lower edge."""
        return (127 - self.octaves) << self.log2_per_octave

    def edges(self) -> NDArray[np.float64]:
        """Edges (bins + 1,) of the bins."""
        octave, part = np.divmod(np.arange(self.bins + 1), 1 << self.log2_per_octave)
        edges: NDArray[np.float64] = 2.0 ** (octave - self.octaves) * (1.0 + part / (1 << self.log2_per_octave))
        return edges

    def bins_of(self, values: NDArray[np.float32]) -> NDArray[np.int64]:
        """Bins (N,) of float32 values (N,)."""
        found: NDArray[np.int64] = (values.view(np.int32) >> self.shift).astype(np.int64) - self.first
        return np.clip(found, 0, self.bins - 1)


RATIOS = OctaveGrid(12, 3)
"""The grid that value per price is counted on, by the environment's kernel and by a bidder."""
