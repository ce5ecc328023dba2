"""Rates of cells within sources, each drawn towards what is around it as far as the data say that it is like that.

Hierarchical credibility (Buehlmann and Gisler, *A Course in Credibility Theory*, 2005, chapter 6; Jewell 1975): the
best linear estimate of each mean where the means of sources vary around one of all, and those of cells around their
source's. How much they vary is estimated from the data, without a form of their law: outcomes may be counts, shares or
weights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.float64]


@dataclass(frozen=True)
class Tally:
    """What the exposures of C cells sum to, for one KPI."""

    source: NDArray[np.int64]  # (C,) source of each cell
    count: Column  # (C,) exposures, above 0
    total: Column  # (C,) of the outcome
    square: Column  # (C,) of the outcome's square

    @property
    def mean(self) -> Column:
        """(C,) outcome of an exposure."""
        return self.total / self.count

    @property
    def within(self) -> float:
        """Variance of the outcome of exposures of one cell."""
        spare = float(self.count.sum()) - len(self.count)
        rest = float((self.square - self.total * self.mean).sum())
        return max(rest / spare, 0.0) if spare > 0 else 0.0


@dataclass(frozen=True)
class Fitted:
    """Rates, and how strongly they are drawn to what is around them."""

    all: float  # of a source of which nothing is known
    source: Column  # (S,) by source, where some of its exposures are known; else of all
    cell: Column  # (C,)
    source_strength: float  # exposures of a source that weigh as much as all others; inf: all sources are alike
    cell_strength: float  # exposures of a cell that weigh as much as its source; inf: all cells of a source are alike


def fit(tally: Tally, sources: int, guess: float) -> Fitted:
    """Rates of cells, sources and all.

    Args:
        tally: of the exposures.
        sources: S, more than any source of the tally.
        guess: what was thought of an exposure before; it weighs as much as one event in as many exposures as that says.
    """
    here, n, mean, within = tally.source, tally.count, tally.mean, tally.within
    of_source = _sums(here, n, sources)
    known = of_source > 0
    plain = _over(_sums(here, tally.total, sources), of_source)
    cell_var = _between(n, mean, plain[here], _spare(here, n, of_source), within * (len(n) - known.sum()))
    z = _weight(n, within, cell_var)
    if cell_var > 0:
        size, noise = _sums(here, z, sources), cell_var
        level = _over(_sums(here, z * mean, sources), size)
    else:
        size, noise, level = of_source, within, plain
    whole = size.sum()
    centre = float(size @ level) / whole
    spare = float(whole - (size @ size) / whole)
    source_var = _between(size, level, np.full(sources, centre), spare, noise * (known.sum() - 1))
    z_source = _weight(size, noise, source_var)
    if source_var > 0:
        centre = float(z_source @ level) / float(z_source.sum())
    centre = _with_guess(centre, float(n.sum()), guess)
    of = np.where(known, z_source * level + (1 - z_source) * centre, centre)
    return Fitted(
        all=centre,
        source=of,
        cell=z * mean + (1 - z) * of[here],
        source_strength=_strength(within, source_var),
        cell_strength=_strength(within, cell_var),
    )


def _between(size: Column, level: Column, around: Column, spare: float, chance: float) -> float:
    """Variance of levels around what is around them, less what chance alone makes of it; 0 where it is no more."""
    seen = float(size @ (level - around) ** 2)
    return max((seen - chance) / spare, 0.0) if spare > 1e-9 * float(size.sum()) else 0.0


def _spare(here: NDArray[np.int64], n: Column, of_source: Column) -> float:
    """The sum over sources of n less the sum of squares of its cells over n."""
    squares = _sums(here, n * n, len(of_source))
    return float((of_source - _over(squares, of_source)).sum())


def _weight(size: Column, noise: float, variance: float) -> Column:
    """Share of its own mean in an estimate."""
    if variance <= 0:
        return np.zeros_like(size)
    return _over(size, size + noise / variance)  # of nothing seen it is 0, also where outcomes do not differ


def _sums(here: NDArray[np.int64], what: Column, size: int) -> Column:
    """(S,) sums by source."""
    return np.bincount(here, what, size).astype(np.float64)


def _over(a: Column, b: Column) -> Column:
    return np.divide(a, b, out=np.zeros_like(a), where=b > 0)


def _with_guess(mean: float, count: float, guess: float) -> float:
    """A mean of `count` exposures with a guess that weighs as one event."""
    if guess <= 0:
        return mean
    more = 1.0 / guess
    return (mean * count + 1.0) / (count + more)


def _strength(within: float, variance: float) -> float:
    return within / variance if variance > 0 else math.inf
