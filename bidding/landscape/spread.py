"""How levels of value, price and traffic vary: between days, between blocks of a day, between slots of a block.

A level is a ratio to the forecast. Its log2 in slot t of block b of day d is modelled as
`day_d + block_db + slot_dt`, three independent terms with variances fitted on training days.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TINY = 1e-9


@dataclass(frozen=True)
class Spread:
    """Variances (U,) of log2 level: between days, between blocks of a day, between slots of a block."""

    day: NDArray[np.float64]
    block: NDArray[np.float64]
    slot: NDArray[np.float64]


def fit_spread(log_level: NDArray[np.float64], observed: NDArray[np.bool_], level_slots: int) -> Spread:
    """Variance components of `log_level` (U, D, T) by the method of moments, slots weighted equally."""
    rows, days, slots = log_level.shape
    shape = (rows, days, slots // level_slots, level_slots)
    seen = np.broadcast_to(observed, log_level.shape).reshape(shape)
    x = np.where(seen, log_level.reshape(shape), 0.0)
    n = seen.sum(axis=-1)  # (U, D, blocks)
    block_mean = x.sum(axis=-1) / np.maximum(n, 1)
    within = np.where(seen, (x - block_mean[..., None]) ** 2, 0.0).sum(axis=(1, 2, 3))
    slot = within / np.maximum((n - 1).clip(0).sum(axis=(1, 2)), 1)
    has = n > 0
    blocks = has.sum(axis=-1)  # (U, D)
    day_mean = np.where(has, block_mean, 0.0).sum(axis=-1) / np.maximum(blocks, 1)
    between = np.where(has, (block_mean - day_mean[..., None]) ** 2, 0.0).sum(axis=(1, 2))
    block_raw = between / np.maximum((blocks - 1).clip(0).sum(axis=1), 1)
    block = np.maximum(block_raw - slot / max(float(n[has].mean()) if has.any() else 1.0, 1.0), 0.0)
    day_raw = day_mean.var(axis=1, ddof=1) if days > 1 else np.zeros(rows)
    day = np.maximum(day_raw - block_raw / max(float(blocks.mean()), 1.0), 0.0)
    return Spread(day=day + TINY, block=block + TINY, slot=slot + TINY)


@dataclass(frozen=True)
class OneWay:
    """Levels of days told apart from those of their blocks, slots left out of account."""

    between: float  # variance between days beyond what independent blocks would give their means anyway
    within: float  # variance between the blocks of a day
    effect: NDArray[np.float64]  # (D,) each day's mean about that of all, drawn towards it by what blocks explain


def one_way(log_level: NDArray[np.float64], known: NDArray[np.bool_]) -> OneWay:
    """Analysis of variance of block levels (D, K) where `known`, by days with two of them or more.

    The method of moments for one random effect (Searle, Casella and McCulloch, "Variance Components", 1992, section
    3.6). All is 0 where fewer than two days can be used.
    """
    blocks = known.sum(axis=1)
    means = np.where(known, log_level, 0.0).sum(axis=1) / np.maximum(blocks, 1)
    used = blocks > 1
    if used.sum() < 2:
        return OneWay(0.0, 0.0, np.zeros(len(means)))
    deviation = np.where(known, log_level - means[:, None], 0.0)
    within = float((deviation[used] ** 2).sum() / (blocks[used] - 1).sum())
    total = float(means[used].var(ddof=1))
    between = max(0.0, total - float(within / blocks[used].mean()))
    shrink = between / total if total > 0 else 0.0
    return OneWay(between, within, np.where(used, (means - means[used].mean()) * shrink, 0.0))
