"""What a market must offer: days of auctions over one columnar log."""

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
