"""Days by their names: which are dates, and how far they are apart."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray


def dated(names: Sequence[str]) -> bool:
    """Whether all names of days are dates."""
    try:
        return bool([date.fromisoformat(name) for name in names])
    except ValueError:
        return False


def moments(names: Sequence[str]) -> NDArray[np.int64]:
    """(D,) when days were, in days: by their dates, by their places where they have none."""
    if not dated(names):
        return np.arange(len(names))
    return np.array([date.fromisoformat(name).toordinal() for name in names], np.int64)
