"""A market in which an exposure counts where its quality reaches a threshold, and not at all below it."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.errors import InvalidMarket
from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.markets.base import Market


class QualityMarket:
    """The days of another market with exposure 1 from `threshold` on and 0 below, by the predicted quality.

    Raises:
        InvalidMarket: a threshold outside (0, 1].
    """

    def __init__(self, base: Market, threshold: float) -> None:
        if not 0.0 < threshold <= 1.0:
            raise InvalidMarket(f"a quality threshold lies in (0, 1]; got {threshold}. Use a quantile of exposure.")
        self._base, log = base, base.log
        self.threshold = threshold
        self._log = replace(
            log,
            exposure=(log.exposure >= threshold).astype(np.float32),
            true_exposure=(log.exposure >= threshold).astype(np.float32),
        )

    @property
    def log(self) -> AuctionLog:
        """The columns, exposure replaced."""
        return self._log

    @property
    def slots(self) -> int:
        """Slots per day, T."""
        return self._base.slots

    @property
    def draws(self) -> int:
        """Standard uniforms that one day is made from."""
        return self._base.draws

    @property
    def level_slots(self) -> int:
        """Slots over which a value level lasts."""
        return self._base.level_slots

    @property
    def draws_outcomes(self) -> bool:
        """As the base market's."""
        return self._base.draws_outcomes

    @property
    def digest(self) -> str:
        """Of the base market and the threshold."""
        return hashlib.blake2b(f"{self._base.digest}{self.threshold}".encode(), digest_size=16).hexdigest()

    def days(self, uniforms: NDArray[np.float64]) -> DayBatch:
        """The base market's days."""
        return self._base.days(uniforms)
