"""Days of a log whose recorded targets are left out."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.markets.base import MarketWrapper


class WithoutTargets(MarketWrapper):
    """A market whose days are those of `base` but record no target cost."""

    @property
    def digest(self) -> str:
        """Hex digest of the base market and of what is left out."""
        return hashlib.blake2b(f"without targets:{self.base.digest}".encode(), digest_size=16).hexdigest()

    def days(self, uniforms: NDArray[np.float64]) -> DayBatch:
        """The base market's, without targets."""
        return self.base.days(uniforms).without_targets()
