"""Clearing: auctions of one slot, in arrival order, for every row of a batch of days.

`a = min(bid, budget left)`; won if `a >= market price` (a tie wins); second price pays the market
price, first price pays `a`. Budget arithmetic is float64, so spend never passes the budget. Where wins are reported
late the bids of those unreported are held, as the ledger of a bid server does, and not their prices.
One kernel serves every market and both prices. Bids see predictions; scores see true values.
"""

from __future__ import annotations

from operator import attrgetter

import numba
import numpy as np
from numba import literal_unroll
from numpy.typing import NDArray

from bidpilot.bidding.day.slot_totals import SlotTotals
from bidpilot.bidding.event import CONVERT
from bidpilot.bidding.plan.budget_plan import RATIO_QUANTILES
from bidpilot.bidding.rule import Rule
from bidpilot.envs.clearing import chunk
from bidpilot.envs.clearing.auction import overlay_of, weights_of
from bidpilot.envs.clearing.chunk import BINS, CHUNK, FACTORS, VALUE
from bidpilot.envs.clearing.columns import (
    AuctionColumns,
    DayColumns,
    FirstPrice,
    HasAuctions,
    Outcomes,
    Requested,
    RuleColumns,
    Withheld,
    Won,
    auction_columns,
    day_columns,
    gate_columns,
    rule_columns,
)
from bidpilot.envs.clearing.settle import Reached, add, settle
from bidpilot.envs.clearing.threads import in_parts
from bidpilot.envs.logs.day_batch import DayBatch


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _clear(  # type: ignore[no-untyped-def]
    first,  # rows from it
    last,  # to before it
    t,
    auctions,  # the fields of AuctionColumns
    batch,  # the fields of DayColumns
    bid_rule,  # the fields of RuleColumns
    gate,  # multiplier and quota (B, C), or None: nothing is refused and no request is counted by source
    left,  # (B,) float64, reduced in place
    held,  # the fields of Withheld, or None: every row is told of its wins at once
    bids_paid,  # the fields of FirstPrice
    reference,  # (B, 3) coefficients that value per price is counted at, or None: no statistics
    quantiles,  # (5,)
    of_all,  # the fields of Requested, overwritten
    of_won,  # the fields of Won, overwritten
    of_outcomes,  # the fields of Outcomes, overwritten; None where `reference` is
):
    _empty(first, last, of_all)
    _empty(first, last, of_won)
    _empty(first, last, of_outcomes)
    # plain tuples come in: Python hands a record over five times as slowly
    columns, days, rule = AuctionColumns(*auctions), DayColumns(*batch), RuleColumns(*bid_rule)
    first_price, requested, won = FirstPrice(*bids_paid), Requested(*of_all), Won(*of_won)
    outcomes = None if of_outcomes is None else Outcomes(*of_outcomes)
    withheld = None if held is None else Withheld(*held)
    table = np.zeros((requested.segment_auctions.shape[1], FACTORS), np.float32)
    factors = np.empty((FACTORS, CHUNK), np.float32)
    histogram = np.zeros(BINS, np.int32)
    price, bid, bins = np.empty(CHUNK, np.float32), np.empty(CHUNK, np.float32), np.empty(CHUNK, np.uint32)
    reaches, picked = np.empty(CHUNK, np.uint8), np.empty(CHUNK + 1, np.int32)
    room = np.empty(CHUNK, np.int16), np.empty(CHUNK, np.float32)  # of `pass_gate`
    discounts = None if gate is None else room[1]
    for b in range(first, last):
        chunk.load_row(b, t, days, rule, table)
        weights = weights_of(rule.alpha[b], days.calibration[b])
        overlay = overlay_of(days, b, t)
        histogram[:] = 0
        stop = days.start[b, t] + days.auctions[b, t]
        for at in range(days.start[b, t], stop, CHUNK):
            end = min(at + CHUNK, stop)
            kpis = (columns.exposure[at:end], columns.interaction[at:end], columns.conversion[at:end])
            segments, value, shown = columns.segment[at:end], factors[VALUE], price[: end - at]
            chunk.look_up(segments, table, factors)
            chunk.price_and_bid(columns.market_price[at:end], kpis, factors, weights, shown, bid)
            chunk.thin(at, segments, days.keep, b, t, overlay.salt, shown)
            origins = columns.source[at:end]
            chunk.thin_sources(at, origins, overlay.sources, overlay.salt, shown)
            chunk.pass_gate(at, origins, gate, b, overlay, room, shown, bid, requested.source_auctions[b])
            if reference is not None:
                at_reference = weights_of(reference[b], days.calibration[b])
                chunk.bin_ratios(kpis, value, at_reference, shown, discounts, bins)
                sum_e, sum_n, sum_c, sum_price = chunk.request(kpis, value, shown, discounts)
                add(requested.requested, b, sum_e, sum_n, sum_c)
                requested.price_sum[b] += sum_price
            counted = None if reference is None else histogram
            chunk.count(segments, shown, bins, counted, requested.segment_auctions[b])
            if first_price.rows[b]:
                chunk.shade_bids(bid[: end - at], first_price.factors, first_price.unit[b])
            number = chunk.pick(shown, bid, reaches, picked)
            reached = Reached(at, picked, shown, bid, value)
            pays_bid = first_price.rows[b]
            left[b] = settle(b, reached, number, left[b], withheld, pays_bid, columns, overlay, won, outcomes)
        requested.auctions[b] = requested.segment_auctions[b].sum()
        seen, refused = requested.source_auctions[b], requested.source_refused[b]
        chunk.count_refused(gate, b, requested.auctions[b], seen, refused)
        if reference is not None:
            _finish_row(b, days.calibration[b], histogram, quantiles, requested, outcomes)


@numba.njit(cache=True, error_model="numpy")
def _empty(first, last, totals):  # type: ignore[no-untyped-def]
    """Set rows `first` to `last` of all `totals` to 0; None: there are none."""
    if totals is None:
        return
    for column in literal_unroll(totals):
        column[first:last] = 0


@numba.njit(inline="always")
def _finish_row(b, calibration, histogram, quantiles, requested, outcomes):  # type: ignore[no-untyped-def]
    """Calibrate what was predicted, and read the quantiles of value per price off the histogram."""
    for j in range(3):
        requested.requested[b, j] *= calibration[j]
        outcomes.predicted[b, j] *= calibration[j]
    outcomes.funnel[b, CONVERT] = np.int64(outcomes.realised[b, 2])
    outcomes.source_exposed[b] *= calibration[0]
    outcomes.source_predicted[b] *= calibration[1]
    if requested.auctions[b] > 0:
        chunk.quantiles_from_bins(histogram, requested.auctions[b], quantiles, requested.ratio_quantiles[b])


_REQUESTED, _WON, _OUTCOMES = (attrgetter(*record._fields) for record in (Requested, Won, Outcomes))


def clear_slot(
    market: HasAuctions,
    days: DayBatch,
    t: int,
    rule: Rule,
    left: NDArray[np.float64],
    first_price: FirstPrice,
    reference: NDArray[np.float64] | None,
    out: SlotTotals,
    withheld: Withheld | None = None,
    threads: int = 1,
) -> None:
    """Clear slot `t` of B days under one rule per row; overwrites `out` and reduces `left` (B,), currency.

    What is `withheld` of `left` is not bid; None where every row is told of its wins at once.

    With `reference` (B, 3) None only auctions, wins and spend are counted, per segment and source; what won auctions
    brought (the fields of `Outcomes`) is left as it was. Any number of `threads` clears the same, to the last bit.
    """
    slot = (
        t,
        tuple(auction_columns(market, days)),
        tuple(day_columns(days)),
        tuple(rule_columns(rule)),
        gate_columns(rule.gate),
        left,
        None if withheld is None else tuple(withheld),
        tuple(first_price),
        reference,
        RATIO_QUANTILES,
        _REQUESTED(out),
        _WON(out),
        None if reference is None else _OUTCOMES(out),
    )
    in_parts(len(left), threads, lambda first, last: _clear(first, last, *slot))
