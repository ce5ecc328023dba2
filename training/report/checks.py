"""Checks on what is to be drawn: a figure with a hole in it misleads."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def finite(name: str, values: ArrayLike, ndim: int) -> NDArray[np.float64]:
    """`values` as float64 with `ndim` axes.

    Raises:
        ValueError: where they are empty, have other axes, or hold NaN or infinity.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != ndim or array.size == 0:
        raise ValueError(f"{name} has shape {array.shape}: give a filled array with {ndim} axes")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds {int((~np.isfinite(array)).sum())} values that are not finite: leave them out")
    return array


def same_length(**arrays: NDArray[np.float64]) -> None:
    """Raise ValueError unless all arrays agree in the length of their last axis."""
    lengths = {name: array.shape[-1] for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"lengths differ, {lengths}: give one value per point to each")
