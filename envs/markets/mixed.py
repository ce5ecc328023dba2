"""A mixture of markets: each day comes from one of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.errors import InvalidMarket
from bidpilot.bidding.landscape.calendar import undated
from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.envs.logs.day_batch import DayBatch, SourceDays
from bidpilot.envs.logs.joining import join_logs
from bidpilot.envs.markets.base import Market, MarketWrapper


class MixedMarket(MarketWrapper):
    """Days of several markets, each with its share. Logs that differ are joined into one.

    Raises:
        InvalidMarket: markets that differ in slots, blocks, segments, sources or in how outcomes come about.
    """

    def __init__(self, markets: Sequence[Market], shares: Sequence[float]) -> None:
        first = markets[0]
        super().__init__(first)  # which all others are like in slots, blocks and outcomes
        for other in markets[1:]:
            same = other.slots == first.slots and other.log.segments == first.log.segments
            same = same and other.log.sources == first.log.sources
            if not same or other.level_slots != first.level_slots or other.draws_outcomes != first.draws_outcomes:
                raise InvalidMarket(
                    "markets can be mixed only where slots, blocks, segments and sources are the same, and where all "
                    "of them draw outcomes or none."
                )
        self._markets, self._edges = tuple(markets), np.cumsum(shares) / np.sum(shares)
        logs = list({market.log.digest: market.log for market in markets}.values())
        begin = dict(zip((log.digest for log in logs), np.cumsum([0, *(log.n for log in logs)]), strict=False))
        self._log = join_logs(logs)
        self._begin = [int(begin[market.log.digest]) for market in markets]  # of each market's log in the joined one
        digest = hashlib.blake2b(digest_size=16)
        for market, share in zip(markets, shares, strict=True):
            digest.update(f"{market.digest}{share}".encode())
        self._digest = digest.hexdigest()  # a hash that is not finished cannot be pickled

    @property
    def markets(self) -> tuple[Market, ...]:
        """They, in the order of their shares."""
        return self._markets

    @property
    def log(self) -> AuctionLog:
        """The log of all of them."""
        return self._log

    @property
    def draws(self) -> int:
        """One uniform to choose the market, then as many as the neediest takes."""
        return 1 + max(market.draws for market in self.markets)

    @property
    def digest(self) -> str:
        """Of the markets and their shares."""
        return self._digest

    def days(self, uniforms: NDArray[np.float64]) -> DayBatch:
        """Make B days from `uniforms` (B, draws): the windows, levels and overlay shares of each row's market.

        Which auctions are thinned or overlaid, and outcomes, are drawn by an auction's place in the joined log.
        """
        choice = self.market_of(uniforms)
        parts, rows = [], []
        for k in np.unique(choice):
            chosen = np.flatnonzero(choice == k)
            made = self.markets[k].days(self.uniforms_of(int(k), uniforms[chosen]))
            parts.append(replace(made, start=made.start + self._begin[k]))
            rows.append(chosen)
        days = _gather(parts, np.argsort(np.concatenate(rows), kind="stable"), self._log)
        return replace(days, uniforms=uniforms)

    def market_of(self, uniforms: NDArray[np.float64]) -> NDArray[np.int64]:
        """The market (B,) that a day is of which is made from `uniforms` (B, draws): its place among `markets`."""
        choice = np.searchsorted(self._edges, uniforms[:, 0], side="right")
        return np.minimum(choice, len(self.markets) - 1)

    def uniforms_of(self, k: int, uniforms: NDArray[np.float64]) -> NDArray[np.float64]:
        """What market `k` makes its days from, (B, its own draws), of those that this one makes them from."""
        return uniforms[:, 1 : 1 + self.markets[k].draws]


def _gather(parts: Sequence[DayBatch], order: NDArray[np.intp], log: AuctionLog) -> DayBatch:
    """The parts' days one after the other, in this order; where some keep all auctions, or have dates, all say so."""
    if any(part.keep is not None for part in parts):
        parts = [
            part
            if part.keep is not None
            else replace(part, keep=np.ones((*part.count.shape, len(log.segments)), np.float32))
            for part in parts
        ]
    if any(part.date is not None for part in parts):
        parts = [part if part.date is not None else replace(part, date=undated(len(part))) for part in parts]
    own = ("sources", "uniforms")  # gathered apart, and known for all days alike
    columns = {f.name: [getattr(part, f.name) for part in parts] for f in fields(DayBatch) if f.name not in own}
    gathered: dict[str, Any] = {n: None if c[0] is None else np.concatenate(c)[order] for n, c in columns.items()}
    return DayBatch(**gathered, sources=_gather_sources(parts, order, log.sources))


def _gather_sources(parts: Sequence[DayBatch], order: NDArray[np.intp], sources: int) -> SourceDays | None:
    """What the parts' days do to `sources` sources, likewise; None where none of them does anything."""
    if all(part.sources is None for part in parts):
        return None
    told = [part.sources or SourceDays.plain(len(part), part.count.shape[1], sources) for part in parts]
    return SourceDays._make(np.concatenate(columns)[order] for columns in zip(*told, strict=True))
