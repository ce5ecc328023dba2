"""A market in which an exposure counts where its quality reaches a threshold, and not at all below it."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np

from bidpilot.bidding.errors import InvalidMarket
from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.envs.markets.base import Market, MarketWrapper


class QualityMarket(MarketWrapper):
    """The days of another market with exposure 1 from `threshold` on and 0 below, by the predicted quality.

    Raises:
        InvalidMarket: a threshold outside (0, 1].
    """

    def __init__(self, base: Market, threshold: float) -> None:
        if not 0.0 < threshold <= 1.0:
            raise InvalidMarket(f"a quality threshold lies in (0, 1]; got {threshold}. Use a quantile of exposure.")
        super().__init__(base)
        log = base.log
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
    def digest(self) -> str:
        """Of the base market and the threshold."""
        return hashlib.blake2b(f"{self.base.digest}{self.threshold}".encode(), digest_size=16).hexdigest()
