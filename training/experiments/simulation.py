"""Many experiments from a pool of played units: how often they err, and how soon they find what is there.

A pool of days is played once with two arms that are alike. An experiment draws days of it with replacement and, on each
day, a coin says which half is the treated arm, whose result is multiplied by 1 + effect. That assumes that days share
nothing (no weekdays, no drift, nothing carried over), that a day is one of the pool, and that an effect is the same
share of every day's result; it does not assume a distribution.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from bidpilot.training.experiments import ratio
from bidpilot.training.experiments.contrasts import Path, log_ratio
from bidpilot.training.experiments.units import Array
from bidpilot.training.experiments.verdict import Columns, Look, Terms, first_ending, primary_look, verdicts

_SCALED = ("primary", "realised", "conversions")


@dataclass(frozen=True)
class Found:
    """How R experiments ended."""

    share: float  # that found a difference
    median: float | None  # units until then, over all experiments; None where fewer than half found one
    by_look: Array  # (T,) share that had found one by then


def drawn(pool: Columns, experiments: int, units: int, effect: float, rng: np.random.Generator) -> Columns:
    """R experiments of T units from a pool (N, 2): columns (R, T, 2)."""
    picked = rng.integers(0, len(pool.primary), (experiments, units))
    swapped = rng.random((experiments, units)) < 0.5
    columns = {}
    for name in ("primary", "realised", "spend", "conversions", "told_wins", "invalid_wins", "assigned"):
        both = getattr(pool, name)[picked]
        both = np.where(swapped[..., None], both[..., ::-1], both)
        columns[name] = both * np.array([1.0, 1.0 + effect]) if name in _SCALED else both
    return replace(pool, **columns)


def found_by_sequence(look: Look) -> Found:
    """Experiments whose interval leaves 0 out at some look."""
    return _found((look.low > 0) | (look.high < 0))


def found_by_peeking(path: Path, alpha: float, first: int = 2) -> Found:
    """Experiments that a t-test at level alpha calls different at some look, from unit `first` on: the wrong way."""
    return _found(_t_test(path, alpha) & (path.units >= first))


def found_at_the_end(path: Path, alpha: float) -> Found:
    """Experiments that the same test calls different at the last unit, where it is looked at once."""
    return _found(_t_test(path, alpha) & (path.units == path.units[-1]))


def mismatches(share: float, experiments: int, looks: int, users: int, rng: np.random.Generator) -> Found:
    """Experiments whose split is called broken where the treated arm gets `share` of the users instead of a half."""
    treated = np.cumsum(rng.binomial(users, share, (experiments, looks)), axis=1)
    control = users * np.arange(1, looks + 1) - treated
    return _found(ratio.log_mismatch(np.stack([control, treated], axis=-1), (0.5, 0.5)) >= -np.log(ratio.ALPHA))


def endings(columns: Columns, terms: Terms) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The verdict (R,) that ends each experiment, and the unit that it comes after."""
    return first_ending(verdicts(columns, terms))


def looks(columns: Columns, terms: Terms) -> tuple[Look, Path]:
    """The primary metric with its interval, and the path that a t-test peeks at."""
    look = primary_look(columns, terms)
    return look, log_ratio(columns.primary[..., 1], columns.primary[..., 0])


def _t_test(path: Path, alpha: float) -> NDArray[np.bool_]:
    t = path.units
    critical = student.ppf(1.0 - alpha / 2.0, np.maximum(t - 1.0, 1.0))
    wide = np.where(np.isfinite(path.std), critical * path.std / np.sqrt(t), np.inf)
    different: NDArray[np.bool_] = np.abs(np.nan_to_num(path.estimate)) > wide
    return different


def _found(hits: NDArray[np.bool_]) -> Found:
    ever = hits.any(axis=1)
    at = np.where(ever, hits.argmax(axis=1) + 1.0, np.inf)
    median = float(np.median(at))
    return Found(
        float(ever.mean()), median if np.isfinite(median) else None, np.maximum.accumulate(hits, axis=1).mean(axis=0)
    )
