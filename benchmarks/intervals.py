"""How often the 95 % intervals of `training/evaluation/statistics.py` hold the truth, beside the percentile bootstrap.

Each draw is an evaluation: units of one or four days, `value = unit + day / 2`, both from one law, and the interval of
the trimmed mean of all days. One JSON line per cell: `value` is the share of draws whose interval holds the trimmed
mean of the law itself, `baseline` the same of the bootstrap, whatever the number of units. A share has a standard error
of 0.0034 over 4,000 draws.

The skewed law is log-normal with sigma 1/2, skewness 1.75: days of the suites have R / R* of skewness -2.1 (`mpc` on
`daily`) to -0.2, and paired differences -0.4 to 1.7.

    python benchmarks/intervals.py --draws 4000
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from types import MappingProxyType

import numba
import numpy as np
from numpy.typing import NDArray

from bidpilot.training.evaluation.statistics import FEW, interval

Floats = NDArray[np.float64]

UNITS = (3, 4, 5, 8, 10, 14, 20, 30, 60, 100)
DAYS = (1, 4)
TRIMS = (0.0, 0.25)
LAWS: MappingProxyType[str, Callable[[np.random.Generator, tuple[int, ...]], Floats]] = MappingProxyType(
    {
        "normal": lambda rng, shape: rng.standard_normal(shape),
        "heavy": lambda rng, shape: rng.standard_t(3, shape),
        "skewed": lambda rng, shape: rng.lognormal(0.0, 0.5, shape),
    }
)
RESAMPLES = 1000  # half of those shipped, which moves a share by less than its standard error
TRUTH = 1 << 21  # days that the law's own trimmed mean is taken over
SEED = 0  # of the picks, which every evaluation of one number of units shares, as those of one suite do


@dataclass(frozen=True)
class Cell:
    """One kind of evaluation."""

    law: str
    units: int
    days: int  # per unit
    trim: float

    def draw(self, draws: int, rng: np.random.Generator) -> Floats:
        """Values (N, U * days), unit after unit."""
        shared = LAWS[self.law](rng, (draws, self.units, 1))
        own = LAWS[self.law](rng, (draws, self.units, self.days)) if self.days > 1 else np.zeros((1, 1, 1))
        return (shared + 0.5 * own).reshape(draws, -1)

    def truth(self) -> float:
        """The trimmed mean of a day, of whatever unit."""
        (days,) = Cell(self.law, TRUTH // self.days, self.days, self.trim).draw(1, np.random.default_rng(1))
        days.sort()
        cut = int(self.trim * len(days))
        return float(days[cut : len(days) - cut].mean())


def coverage(cell: Cell, draws: int) -> tuple[float, float]:
    """Share of draws whose interval holds the truth: of the shipped method, and of the bootstrap."""
    values, truth = cell.draw(draws, np.random.default_rng(0)), cell.truth()
    resampled = bootstrap(values, cell)
    shipped = resampled if cell.units >= FEW else _one_by_one(values, cell)
    return _held(shipped, truth), _held(resampled, truth)


def _held(ends: Floats, truth: float) -> float:
    return float(((ends[:, 0] <= truth) & (truth <= ends[:, 1])).mean())


def _one_by_one(values: Floats, cell: Cell) -> Floats:
    """Ends (N, 2) by the shipped function."""
    units = np.repeat(np.arange(cell.units), cell.days)
    return np.array([interval(row, units, np.random.default_rng(SEED), cell.trim) for row in values])


def bootstrap(values: Floats, cell: Cell, resamples: int = RESAMPLES) -> Floats:
    """Ends (N, 2) by the percentile bootstrap: what `interval` gives from `FEW` units on, for many draws at once."""
    picks = np.random.default_rng(SEED).integers(cell.units, size=(resamples, cell.units))
    times = np.stack([np.bincount(row, minlength=cell.units) for row in picks])
    if cell.trim == 0:
        means = values.reshape(len(values), cell.units, cell.days).mean(axis=2) @ times.T / cell.units
    else:
        order = np.argsort(values, axis=1)
        means = _trimmed(np.take_along_axis(values, order, 1), order // cell.days, times, cell.trim)
    return np.quantile(means, [0.025, 0.975], axis=1).T


@numba.njit(cache=True)
def _trimmed(ordered, unit, times, trim):  # type: ignore[no-untyped-def]
    """Trimmed means (N, R) of ascending `ordered` (N, D), whose entries count as often as `times` (R, U) says."""
    draws, days = ordered.shape
    cut = int(trim * days)
    means = np.zeros((draws, len(times)))
    for n in range(draws):
        for r in range(len(times)):
            last, total = 0, 0.0
            for d in range(days):
                first = last
                last += times[r, unit[n, d]]
                total += max(min(last, days - cut) - max(first, cut), 0) * ordered[n, d]
                if last >= days - cut:
                    break
            means[n, r] = total / (days - 2 * cut)
    return means


def main() -> None:
    """Print one JSON line per cell."""
    parser = argparse.ArgumentParser(description="Coverage of the 95 %% intervals by simulation.")
    parser.add_argument("--draws", type=int, default=4000, help="evaluations drawn for each cell")
    draws = parser.parse_args().draws
    for law, trim, days, units in product(LAWS, TRIMS, DAYS, UNITS):
        value, baseline = coverage(Cell(law, units, days, trim), draws)
        name = f"interval_{law}_trim_{trim:g}_{days}_days_{units}_units"
        told = {"name": name, "value": value, "unit": "share", "baseline": baseline, "ratio": value / baseline}
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
