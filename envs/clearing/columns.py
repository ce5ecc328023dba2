"""What the compiled kernels are given, as records of arrays: a log's columns, days, totals."""

from __future__ import annotations

from operator import attrgetter
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.rule import Rule
from bidpilot.bidding.traffic.gate import Gate
from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.envs.logs.day_batch import DayBatch, SourceDays


class HasAuctions(Protocol):
    """What clearing needs to know of a market."""

    @property
    def log(self) -> AuctionLog:
        """The columns that days are windows into."""

    @property
    def draws_outcomes(self) -> bool:
        """True where realised outcomes are drawn, False where they are the log's columns."""


class AuctionColumns(NamedTuple):
    """A log's columns, each (N,)."""

    market_price: NDArray[np.float32]
    exposure: NDArray[np.float32]
    interaction: NDArray[np.float32]
    conversion: NDArray[np.float32]
    true_exposure: NDArray[np.float32]
    true_interaction: NDArray[np.float32]
    true_conversion: NDArray[np.float32]
    segment: NDArray[np.int16]
    source: NDArray[np.int16]
    invalid: NDArray[np.bool_]
    interacted: NDArray[np.float32] | None  # None: drawn
    converted: NDArray[np.float32] | None  # None: drawn


class DayColumns(NamedTuple):
    """B days, as `DayBatch` describes them."""

    start: NDArray[np.int64]  # (B, T)
    auctions: NDArray[np.int64]  # (B, T) `DayBatch.count`
    keep: NDArray[np.float32] | None  # (B, T, S); None: every auction arrives
    price_scale: NDArray[np.float32]  # (B, T, S)
    value_scale: NDArray[np.float32]  # (B, T, S)
    calibration: NDArray[np.float32]  # (B, 3)
    invalid_share: NDArray[np.float32]  # (B, T)
    invalid_source: NDArray[np.int16]  # (B, T)
    salt: NDArray[np.uint64]  # (B,)
    sources: SourceDays | None


class RuleColumns(NamedTuple):
    """The bid rule of B rows, without its gate."""

    alpha: NDArray[np.floating]  # (B, 3)
    multiplier: NDArray[np.floating]  # (B, S)
    beta: NDArray[np.floating]  # (B, S)


class FirstPrice(NamedTuple):
    """Which rows pay their own bids, and how a value is shaded to a bid there."""

    rows: NDArray[np.bool_]  # (B,)
    factors: NDArray[np.float64]  # (shading.POINTS,); unread where no row pays its bid
    unit: NDArray[np.float64]  # (B,) mean price that the factors are given for, currency

    def at(self, level: NDArray[np.float64] | None) -> FirstPrice:
        """The same where prices have a level (B,) of that mean; None: 1."""
        return self if level is None else self._replace(unit=self.unit * level)


class Withheld(NamedTuple):
    """Money that may not be bid although nothing has charged it: what bids of unreported wins exceed their prices by.

    A bidder that is told late of a win does not know its price: its ledger holds the bid until then.
    """

    rows: NDArray[np.bool_]  # (B,) whether wins of this slot are reported after it
    amount: NDArray[np.float64]  # (B,) of earlier slots, currency; raised in place by what the slot adds


class Requested(NamedTuple):
    """Slot totals of all auctions; fields as in `SlotTotals`."""

    auctions: NDArray[np.int64]
    requested: NDArray[np.float64]
    price_sum: NDArray[np.float64]
    segment_auctions: NDArray[np.int64]
    source_auctions: NDArray[np.int64]
    source_refused: NDArray[np.int64]
    ratio_quantiles: NDArray[np.float64]


class Won(NamedTuple):
    """Slot totals of the won auctions; fields as in `SlotTotals`."""

    wins: NDArray[np.int64]
    spend: NDArray[np.float64]
    committed: NDArray[np.float64]
    segment_wins: NDArray[np.int64]
    segment_spend: NDArray[np.float64]
    source_wins: NDArray[np.int64]
    source_spend: NDArray[np.float64]


class Outcomes(NamedTuple):
    """Slot totals of what the won auctions bring; fields as in `SlotTotals`."""

    predicted: NDArray[np.float64]
    true: NDArray[np.float64]
    realised: NDArray[np.float64]
    invalid_wins: NDArray[np.int64]
    source_predicted: NDArray[np.float64]
    source_realised: NDArray[np.float64]
    source_exposed: NDArray[np.float64]
    source_views: NDArray[np.int64]
    source_events: NDArray[np.int64]
    source_converted: NDArray[np.float64]
    funnel: NDArray[np.int64]


_PREDICTED_AND_TRUE = attrgetter(*AuctionColumns._fields[:-2])  # all but the realised


def auction_columns(market: HasAuctions, days: DayBatch) -> AuctionColumns:
    """The columns that the days are windows into: the market's log, or their own."""
    if days.answers is not None:
        own = days.answers.columns
        return AuctionColumns._make((*own[:4], *own[1:], None, None))
    log, drawn = market.log, market.draws_outcomes
    realised = (None, None) if drawn else (log.interacted, log.converted)
    return AuctionColumns._make((*_PREDICTED_AND_TRUE(log), *realised))


def day_columns(days: DayBatch) -> DayColumns:
    """The columns of the days."""
    return DayColumns(
        days.start,
        days.count,
        days.keep,
        days.price_scale,
        days.value_scale,
        days.calibration,
        days.invalid_share,
        days.invalid_source,
        days.salt,
        days.sources,
    )


def rule_columns(rule: Rule) -> RuleColumns:
    """The rule's arrays."""
    return RuleColumns(rule.alpha, rule.multiplier, rule.beta)


def gate_columns(gate: Gate | None) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """The gate's multiplier and quota; None where there is no gate."""
    return None if gate is None else (gate.multiplier, gate.quota)
