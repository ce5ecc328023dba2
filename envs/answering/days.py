"""Days in play: what the rivals of G markets have left and bid, slot by slot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.errors import InvalidMarket
from bidpilot.bidding.rule import Rule
from bidpilot.envs.answering.bidders import Bidders
from bidpilot.envs.answering.config import Pacing, RivalMarketConfig
from bidpilot.envs.answering.contest import BINS, Field, Slot, contest
from bidpilot.envs.answering.pacing import Books, pace
from bidpilot.envs.clearing.columns import FirstPrice, Withheld, day_columns, rule_columns
from bidpilot.envs.clearing.threads import in_parts
from bidpilot.envs.logs.day_batch import DayBatch, OwnColumns


@dataclass(frozen=True)
class MarketDay:
    """What G markets of N bidders find on their days."""

    start: NDArray[np.int64]  # (G, T) in the pool
    count: NDArray[np.int64]  # (G, T)
    level: NDArray[np.float32]  # (G, T, N) of values


class RivalDays:
    """The rivals through the days of a batch; row `g * K + j` is bidder j of market g, who is played.

    With `answering` False the market prices stay what they are where nobody who is played bids. When it is made, it has
    played that day, and stands at its end.
    """

    def __init__(
        self,
        config: RivalMarketConfig,
        bidders: Bidders,
        played: int,
        day: MarketDay,
        columns: OwnColumns,
        windows: DayBatch,
        answering: bool,
    ) -> None:
        self.columns, self.played = columns, played
        self._config, self._bidders, self._windows, self._answering = config, bidders, windows, answering
        markets, slots = day.count.shape
        self._shape = markets, slots
        n = bidders.n
        plans = (bidders.kind == Pacing.LINEAR_PROGRAMME) & (np.arange(n) >= self.played)
        self.slot = Slot(
            np.zeros((markets, n)),
            np.zeros((markets, n)),
            np.zeros((markets, n), np.int64),
            np.zeros((markets, int(plans.sum()), BINS), np.float32),
            np.zeros(markets),
        )
        self.field = Field(
            bidders.values,
            bidders.greatest,
            np.flatnonzero(plans),
            np.float32(config.least_price * bidders.mean_price),
            day.start,
            day.level,
            np.zeros((markets, n), np.float32),
            np.zeros((markets, n)),
        )
        self.books = Books(bidders.kind, bidders.budget, bidders.target, *(np.zeros((markets, n)) for _ in range(3)))
        self.play_alone()
        self._alone = columns.market_price.copy()

    def begin(self) -> None:
        """Begin the days anew, at the prices that rivals make alone."""
        self._begin_rivals()
        np.copyto(self.columns.market_price, self._alone)

    def _begin_rivals(self) -> None:
        field, slot, books = self.field, self.slot, self.books
        field.multiplier[:] = self._bidders.multiplier
        field.left[:] = self._bidders.budget
        for column in (*slot, books.error, books.spent, books.value):
            column.fill(0)

    def play_alone(self, watch: Callable[[int], None] | None = None) -> None:
        """The whole day anew, where none of those who are played bids; `watch` is told each slot once it is played."""
        self._begin_rivals()
        rows, segments = len(self._windows), self._windows.value_scale.shape[2]
        nothing = Rule(np.zeros((rows, 3)), np.ones((rows, segments)), np.zeros((rows, segments)))
        bids_paid = FirstPrice(np.zeros(rows, np.bool_), np.ones(1), np.ones(rows))
        for t in range(self._shape[1]):
            self._play(t, nothing, np.zeros(rows), None, bids_paid)
            if watch is not None:
                watch(t)

    def answer(
        self,
        t: int,
        rule: Rule,
        left: NDArray[np.float64],
        late: tuple[NDArray[np.bool_], NDArray[np.float64]] | None,
        bids_paid: tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64]],
        threads: int = 1,
    ) -> None:
        """Play slot `t` against bids by `rule` of budgets `left` (B,), and write its market prices.

        Raises:
            InvalidMarket: the rule has a gate, which a market whose traffic has one source does not know.
        """
        if rule.gate is not None:
            raise InvalidMarket(
                "a market of rivals has one source of traffic, so that nothing can be gated by source. Play without a "
                "filter of traffic."
            )
        if self._answering:
            self._play(t, rule, left, late, FirstPrice(*bids_paid), threads)

    def _play(
        self,
        t: int,
        rule: Rule,
        left: NDArray[np.float64],
        late: tuple[NDArray[np.bool_], NDArray[np.float64]] | None,
        bids_paid: FirstPrice,
        threads: int = 1,
    ) -> None:
        markets, slots = self._shape
        rows = markets * self.played
        withheld = Withheld(np.zeros(rows, np.bool_), np.zeros(rows)) if late is None else Withheld(*late)
        own = self.columns
        auctions = (*own[:4], *own[1:], None, None)
        slot = (
            t,
            auctions,
            tuple(day_columns(self._windows)),
            tuple(np.ascontiguousarray(column, np.float64) for column in rule_columns(rule)),
            left,
            tuple(withheld),
            tuple(bids_paid),
            tuple(self.field),
            tuple(self.slot),
        )
        in_parts(markets, threads, lambda first, last: contest(first, last, *slot))
        to_come = slots - t - 1
        auctions_left = max(self._config.auctions_per_slot * to_come, 1.0)
        kept = map(tuple, (self.field, self.slot, self.books))
        pace(0, markets, self.played, to_come, auctions_left, slots, *kept)
