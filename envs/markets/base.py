"""What a market must offer, days of auctions over one columnar log; and the wrapper of one by another."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.envs.logs.day_batch import DayBatch


class Market(Protocol):
    """Anything that yields days of auctions over one columnar log."""

    @property
    def log(self) -> AuctionLog:
        """The columns that the days are windows into."""

    @property
    def slots(self) -> int:
        """Slots per day, T."""

    @property
    def draws(self) -> int:
        """Standard uniforms that one day is made from."""

    @property
    def level_slots(self) -> int:
        """Slots over which a value level lasts (a block); divides T."""

    @property
    def draws_outcomes(self) -> bool:
        """True where realised outcomes are drawn, False where they are the log's columns."""

    @property
    def digest(self) -> str:
        """Hex digest of everything that decides the days: parameters, seed, columns."""

    def days(self, uniforms: NDArray[np.float64]) -> DayBatch:
        """Make B days from `uniforms` (B, draws) in [0, 1); the same row gives the same day."""


class MarketWrapper:
    """A market that is `base` in all that a subclass does not say otherwise.

    A subclass that changes the days or the log says so in its `digest`.
    """

    def __init__(self, base: Market) -> None:
        self.base = base

    @property
    def log(self) -> AuctionLog:
        """The base market's."""
        return self.base.log

    @property
    def slots(self) -> int:
        """The base market's."""
        return self.base.slots

    @property
    def draws(self) -> int:
        """The base market's."""
        return self.base.draws

    @property
    def level_slots(self) -> int:
        """The base market's."""
        return self.base.level_slots

    @property
    def draws_outcomes(self) -> bool:
        """The base market's."""
        return self.base.draws_outcomes

    @property
    def digest(self) -> str:
        """The base market's."""
        return self.base.digest

    def days(self, uniforms: NDArray[np.float64]) -> DayBatch:
        """The base market's."""
        return self.base.days(uniforms)
