"""The replay market: recorded days as they were."""

from __future__ import annotations

import hashlib
import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bidpilot.bidding.errors import InvalidMarket
from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.markets.recorded.days import campaign_terms, plain_days

_USUAL_LEVEL_SLOTS = 8


class RecordedMarket:
    """Walks the recorded days of a log: every window, value and price as recorded.

    Args:
        log: the log.
        level_slots: slots over which a value level lasts; divides T. None: 8, or the greatest common
            divisor of 8 and T.

    Raises:
        InvalidMarket: `level_slots` does not divide the slots of the log.
    """

    def __init__(self, log: AuctionLog, level_slots: int | None = None) -> None:
        if level_slots is None:
            level_slots = math.gcd(_USUAL_LEVEL_SLOTS, log.slots)
        if level_slots < 1 or log.slots % level_slots:
            raise InvalidMarket(f"level_slots is {level_slots}; it must divide the log's {log.slots} slots.")
        self._log = log
        self._level_slots = level_slots
        self._terms = campaign_terms(log)

    @property
    def log(self) -> AuctionLog:
        """The log whose days are walked."""
        return self._log

    @property
    def slots(self) -> int:
        """Slots per day, T."""
        return self._log.slots

    @property
    def draws(self) -> int:
        """One uniform picks the day."""
        return 1

    @property
    def level_slots(self) -> int:
        """Slots over which a value level lasts."""
        return self._level_slots

    @property
    def draws_outcomes(self) -> bool:
        """False where the log has both realised columns, which are then replayed."""
        return self._log.converted is None or self._log.interacted is None

    @property
    def digest(self) -> str:
        """Hex digest of the log and of what is done with it."""
        text = f"recorded:{self._level_slots}:{self._log.digest}"
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def days(self, uniforms: NDArray[np.float64]) -> DayBatch:
        """The days `floor(u * D)` for uniforms (B, 1) in [0, 1).

        Raises:
            InvalidMarket: the shape or a value is not that.
        """
        if uniforms.ndim != 2 or uniforms.shape[1] != 1:
            raise InvalidMarket(f"The uniforms have shape {uniforms.shape}; give (B, 1).")
        if not ((uniforms >= 0) & (uniforms < 1)).all():
            raise InvalidMarket("A uniform is not in [0, 1). Draw them with Generator.random.")
        # Two visits to one day draw other outcomes, so the salt is the whole uniform.
        salt = (uniforms[:, 0] * 2.0**53).astype(np.uint64)
        return self._batch((uniforms[:, 0] * self._log.n_days).astype(np.int64), salt)

    def recorded(self, indices: ArrayLike) -> DayBatch:
        """These recorded days, by index in 0 .. D - 1, in this order.

        Raises:
            InvalidMarket: an index is not a recorded day.
        """
        days = np.atleast_1d(np.asarray(indices, dtype=np.int64))
        if days.ndim != 1 or ((days < 0) | (days >= self._log.n_days)).any():
            raise InvalidMarket(f"Days {days.tolist()} are not all in 0 .. {self._log.n_days - 1}, the recorded days.")
        return self._batch(days, days.astype(np.uint64))

    def _batch(self, days: NDArray[np.int64], salt: NDArray[np.uint64]) -> DayBatch:
        start = self._log.offsets[days, :-1]
        count = self._log.offsets[days, 1:] - start
        date = None if self._log.dates is None else self._log.dates[days]
        return plain_days(self._log, start, count, salt, self._terms[days], date=date)
