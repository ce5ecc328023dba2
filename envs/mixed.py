"""A mixture of synthetic markets over one log: each day comes from one of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.errors import InvalidMarket
from bidpilot.envs.days import DayBatch, Market
from bidpilot.envs.logs.auction_log import AuctionLog


class MixedMarket:
    """Days of several markets, each with its share.

    Raises:
        InvalidMarket: markets over different logs, or with other slots or blocks.
    """

    def __init__(self, markets: Sequence[Market], shares: Sequence[float]) -> None:
        first = markets[0]
        for other in markets[1:]:
            same = other.log.digest == first.log.digest and other.slots == first.slots
            if not same or other.level_slots != first.level_slots or other.draws_outcomes != first.draws_outcomes:
                raise InvalidMarket("markets can be mixed only over one log, with the same slots and blocks.")
        self._markets, self._edges = tuple(markets), np.cumsum(shares) / np.sum(shares)
        self._digest = hashlib.blake2b(digest_size=16)
        for market, share in zip(markets, shares, strict=True):
            self._digest.update(f"{market.digest}{share}".encode())

    @property
    def log(self) -> AuctionLog:
        """The log of all of them."""
        return self._markets[0].log

    @property
    def slots(self) -> int:
        """Slots per day, T."""
        return self._markets[0].slots

    @property
    def draws(self) -> int:
        """One uniform to choose the market, then as many as the neediest takes."""
        return 1 + max(market.draws for market in self._markets)

    @property
    def level_slots(self) -> int:
        """Slots over which a value level lasts."""
        return self._markets[0].level_slots

    @property
    def draws_outcomes(self) -> bool:
        """As the markets'."""
        return self._markets[0].draws_outcomes

    @property
    def digest(self) -> str:
        """Of the markets and their shares."""
        return self._digest.hexdigest()

    def days(self, uniforms: NDArray[np.float64]) -> DayBatch:
        """Make B days from `uniforms` (B, draws); each row's market makes it as it would alone."""
        choice = np.searchsorted(self._edges, uniforms[:, 0], side="right")
        choice = np.minimum(choice, len(self._markets) - 1)
        made = [market.days(uniforms[:, 1 : 1 + market.draws]) for market in self._markets]
        return DayBatch(**{f.name: _choose([getattr(m, f.name) for m in made], choice) for f in fields(DayBatch)})


def _choose(columns: list[Any], choice: NDArray[np.int64]) -> Any:
    """Row b of `columns[choice[b]]`; a missing column keeps every auction."""
    shape = next((c.shape for c in columns if c is not None), None)
    if shape is None:
        return None
    filled = [np.ones(shape, np.float32) if c is None else c for c in columns]
    return np.stack(filled)[choice, np.arange(len(choice))]
