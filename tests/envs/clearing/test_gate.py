"""The gate by source: what it refuses never arrives, what it discounts bids less, and without one nothing changes."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from bidpilot.bidding.day.slot_totals import SlotTotals
from bidpilot.bidding.landscape.shading import POINTS, shade
from bidpilot.bidding.plan.budget_plan import RATIO_QUANTILES
from bidpilot.bidding.traffic.gate import Gate
from bidpilot.envs.clearing.chunk import CHUNK
from tests.envs.clearing.plain_loop import (
    BUDGET,
    COUNTS,
    COUNTS_BY_SOURCE,
    SOURCES,
    UNIT,
    N,
    TinyMarket,
    by_the_book,
    clear,
    flat_rule,
    make_days,
    make_log,
    some_rule,
)

INF = np.inf
SHADING = np.linspace(0.95, 0.3, POINTS)
COUNTED = ("source_auctions", "source_refused")
OVERLAID = 4  # the source that the overlay of `make_days` names
# the last two rows have the most auctions: 257, over a chunk's end, and 700, where the budget is cut
GATE = Gate(
    multiplier=np.array(
        [
            [0, 0.5, 1, 1, 1],
            [0, 0.5, 1, 1, 1],
            [1, 1, 1, 1, 1],
            [0.5, 0, 1, 1, 1],
            [1, 1, 0.5, 0, 1],
            [0.5, 1, 1, 0, 1],
        ],
        np.float64,
    ),
    quota=np.array(
        [
            [INF] * 5,
            [0, 0, 0, 0, 0],
            [INF] * 5,  # a row whose gate does nothing
            [INF, INF, 0, 7, 2.5],
            [INF, 40, 60, 5, 3],
            [INF, 0, 90, INF, 100],
        ]
    ),
)


def assert_same(got: SlotTotals, want: SlotTotals, *besides: str) -> None:
    for f in fields(SlotTotals):
        if f.name not in besides:
            np.testing.assert_array_equal(getattr(got, f.name), getattr(want, f.name), err_msg=f.name)


@pytest.mark.parametrize("first", [False, True], ids=["second", "first"])
@pytest.mark.parametrize("thin", [False, True], ids=["all", "thinned"])
@pytest.mark.parametrize("overlay", [False, True], ids=["clean", "overlaid"])
@pytest.mark.parametrize("drawn", [False, True], ids=["replayed", "drawn"])
@pytest.mark.parametrize("sources", [False, True], ids=["plain", "sources"])
def test_the_gate_equals_a_plain_loop_over_auctions(
    first: bool, thin: bool, overlay: bool, drawn: bool, sources: bool
) -> None:
    counts = COUNTS_BY_SOURCE if sources else COUNTS
    market, days = TinyMarket(make_log(), drawn), make_days(counts, thin, overlay, sources=sources)
    rule, reference = some_rule(len(days), 0.8)
    rule = replace(rule, gate=GATE)
    budget = BUDGET / 4
    got, left = clear(market, days, rule, budget, first, reference, SHADING)
    want, ratios = by_the_book(market, days, rule, budget, first, reference, SHADING)
    assert (want["wins"][2:] > 3).all()
    assert want["spend"][-1] > budget - 1  # the last row runs out of money
    assert (want["source_refused"][3:].sum(axis=1) > 10).all()
    for name, value in want.items():
        if name != "ratio_quantiles":
            np.testing.assert_allclose(getattr(got, name), value, rtol=2e-6, atol=1e-9, err_msg=name)
    np.testing.assert_allclose(left, budget - want["spend"], rtol=1e-6, atol=1e-4)
    for b, row in enumerate(ratios):
        if row:
            exact = np.quantile(row, RATIO_QUANTILES, method="inverted_cdf")
            assert (np.abs(np.log2(got.ratio_quantiles[b] / exact)) < np.log2(1 + 1 / 8) + 1e-6).all()


@pytest.mark.parametrize("first", [False, True], ids=["second", "first"])
def test_wins_and_counts_by_source_are_the_same_without_statistics(first: bool) -> None:
    market, days = TinyMarket(make_log(), True), make_days(COUNTS, thin=True, overlay=True)
    rule, reference = some_rule(len(days), 0.8)
    rule = replace(rule, gate=GATE)
    full, left_full = clear(market, days, rule, BUDGET, first, reference)
    totals, left = clear(market, days, rule, BUDGET, first, None)
    np.testing.assert_array_equal(left, left_full)
    for name in ("auctions", "wins", "spend", "segment_auctions", "source_wins", "source_spend", *COUNTED):
        np.testing.assert_array_equal(getattr(totals, name), getattr(full, name))


@pytest.mark.parametrize("first", [False, True], ids=["second", "first"])
def test_an_open_gate_changes_nothing_and_counts_what_arrives(first: bool) -> None:
    market, days = TinyMarket(make_log(), True), make_days(COUNTS, thin=True, overlay=True)
    rule, reference = some_rule(len(days), 0.8)
    plain, left_plain = clear(market, days, rule, BUDGET, first, reference, SHADING)
    opened = replace(rule, gate=Gate.open(len(days), SOURCES))
    got, left = clear(market, days, opened, BUDGET, first, reference, SHADING)
    np.testing.assert_array_equal(left, left_plain)
    assert_same(got, plain, "source_auctions")
    assert not plain.source_auctions.any()
    np.testing.assert_array_equal(got.source_auctions.sum(axis=1), got.auctions)


def test_a_rows_gate_is_its_own() -> None:
    """Row 2 of the gate does nothing and plays as without one; the others do not."""
    market, days = TinyMarket(make_log(), True), make_days((300, 300, 300), overlay=True)
    rule, reference = some_rule(3, 0.8)
    gate = Gate(np.array([[0.0, 1, 1, 1, 1], [1, 1, 1, 1, 0.0], [1, 1, 1, 1, 1]]), np.full((3, SOURCES), INF))
    plain, _ = clear(market, days, rule, 1e9, reference=reference)
    got, _ = clear(market, days, replace(rule, gate=gate), 1e9, reference=reference)
    assert (got.auctions[:2] < plain.auctions[:2]).all()
    for f in fields(SlotTotals):
        if f.name != "source_auctions":
            np.testing.assert_array_equal(getattr(got, f.name)[2], getattr(plain, f.name)[2], err_msg=f.name)
    assert (got.source_refused > 0).tolist() == [[c == 0 for c in range(5)], [c == 4 for c in range(5)], [False] * 5]


def test_totals_of_a_gated_slot_do_not_stay_for_one_without_a_gate() -> None:
    market, days = TinyMarket(make_log(), True), make_days((300,))
    rule, _ = some_rule(1, 0.8)
    gated = replace(rule, gate=Gate(np.zeros((1, SOURCES)), np.full((1, SOURCES), INF)))
    out, _ = clear(market, days, gated, 1e9)
    assert out.source_refused.sum() == out.source_auctions.sum() == 300
    assert out.auctions[0] == out.wins[0] == 0
    again, _ = clear(market, days, rule, 1e9, out=out)
    assert not again.source_auctions.any()
    assert not again.source_refused.any()


def alike(n: int, price: float = 1.0) -> TinyMarket:
    """`n` auctions of one price, all of source 2 but the first."""
    log = make_log(n=n, market_price=np.full(n, price))
    source = np.full(n, 2, np.int16)
    source[0] = 1
    return TinyMarket(replace(log, source=source), True)


def one_row(multiplier: float = 1.0, quota: float = INF) -> Gate:
    """The gate of one row: these for source 2, open for the others."""
    gate = Gate.open(1, SOURCES)
    gate.multiplier[0, 2], gate.quota[0, 2] = multiplier, quota
    return gate


@pytest.mark.parametrize(("quota", "taken"), [(0.0, 0), (1.0, 1), (1.9, 1), (CHUNK + 44.0, CHUNK + 44), (INF, 599)])
def test_the_first_requests_of_a_slot_fill_the_quota(quota: float, taken: int) -> None:
    """600 auctions in three chunks, 599 of source 2; budget 1e9, so all that may be bid on are won."""
    days = replace(make_days((600,), plain=True), start=np.zeros((1, 1), np.int64))
    market = alike(600)
    got, _ = clear(market, days, replace(flat_rule(1.0, 1), gate=one_row(quota=quota)), 1e9)
    assert got.source_auctions[0].tolist() == [0, 1, 599, 0, 0]
    assert got.source_refused[0].tolist() == [0, 0, 599 - taken, 0, 0]
    assert got.source_wins[0].tolist() == [0, 1, taken, 0, 0]
    assert got.auctions[0] == 1 + taken


def test_the_quota_takes_the_earliest() -> None:
    """Prices 1, 2, 4, ... tell by the spend which auctions were won: the first three of source 2."""
    n = 10
    market = alike(n)
    market.log.market_price[:] = 2.0 ** np.arange(n)
    days = replace(make_days((n,), plain=True), start=np.zeros((1, 1), np.int64))
    got, _ = clear(market, days, replace(flat_rule(1e4, 1), gate=one_row(quota=3.0)), 1e9)
    assert got.source_spend[0].tolist() == [0, 1, 2 + 4 + 8, 0, 0]


@pytest.mark.parametrize(("multiplier", "wins"), [(0.0, 0), (0.5, 0), (0.75, 9), (1.0, 9)])
def test_a_multiplier_scales_the_whole_bid(multiplier: float, wins: int) -> None:
    """Bid 4, price 3: half of it loses, three quarters tie; discounted auctions arrive, refused ones do not."""
    days = replace(make_days((10,), plain=True), start=np.zeros((1, 1), np.int64))
    got, _ = clear(alike(10, price=3.0), days, replace(flat_rule(4.0, 1), gate=one_row(multiplier)), 1e9)
    assert got.source_wins[0].tolist() == [0, 1, wins, 0, 0]
    assert got.auctions[0] == (10 if multiplier > 0 else 1)


def test_at_first_price_the_discounted_value_is_shaded() -> None:
    """Not the shaded bid discounted: the factors fall with the value, so that would bid less."""
    days = replace(make_days((10,), plain=True), start=np.zeros((1, 1), np.int64))
    rule = replace(flat_rule(4.0, 1), gate=one_row(0.5))
    got, _ = clear(alike(10, price=0.01), days, rule, 1e9, first=True, shading=SHADING)
    before, after = (float(shade(np.array(v), SHADING, UNIT)) for v in (2.0, 4.0))
    assert before > 1.05 * 0.5 * after
    np.testing.assert_allclose(got.source_spend[0, 2], 9 * before, rtol=2e-6)


def test_the_overlay_moves_requests_to_its_source_before_the_gate() -> None:
    """Refusing the overlay's source refuses what the overlay makes invalid, and leaves no invalid win of it."""
    log = make_log()
    market = TinyMarket(replace(log, invalid=np.zeros(N, np.bool_)), True)
    days = make_days((N // 2,), overlay=True)
    rule, reference = some_rule(1, 0.8)
    gate = Gate.open(1, SOURCES)
    gate.multiplier[0, OVERLAID] = 0.0
    plain, _ = clear(market, days, rule, 1e9, reference=reference)
    got, _ = clear(market, days, replace(rule, gate=gate), 1e9, reference=reference)
    assert plain.invalid_wins[0] > 100
    assert got.invalid_wins[0] == 0
    # the overlay's 30 %, and a fifth of the rest that comes from the source itself
    assert got.source_refused[0, OVERLAID] / (N // 2) == pytest.approx(0.3 + 0.7 / 5, abs=0.03)


def test_what_thinning_drops_fills_no_quota() -> None:
    """A fifth of one segment's auctions arrive, all of the others': the quota counts those alone."""
    market, days = TinyMarket(make_log(), True), make_days((N // 2,), plain=True)
    keep = np.array([[[0.2, 1.0, 1.0]]], np.float32)
    days = replace(days, keep=keep)
    rule, _ = some_rule(1, 0.8)
    counted, _ = clear(market, days, replace(rule, gate=Gate.open(1, SOURCES)), 1e9)
    arrived = counted.source_auctions.astype(np.float64)
    exact, short = (Gate(np.ones((1, SOURCES)), quota) for quota in (arrived, arrived - np.ones(SOURCES)))
    assert not clear(market, days, replace(rule, gate=exact), 1e9)[0].source_refused.any()
    assert clear(market, days, replace(rule, gate=short), 1e9)[0].source_refused.tolist() == [[1] * SOURCES]


def refused(multiplier: NDArray[np.float64], quota: NDArray[np.float64]) -> tuple[int, int]:
    """Requests of 200 that arrive and that are refused."""
    days = replace(make_days((200,), plain=True), start=np.zeros((1, 1), np.int64))
    got, _ = clear(TinyMarket(make_log(), True), days, replace(flat_rule(1.0, 1), gate=Gate(multiplier, quota)), 1e9)
    return int(got.auctions[0]), int(got.source_refused.sum())


def test_a_multiplier_too_small_for_a_bid_refuses() -> None:
    """The kernel bids in float32, where 1e-60 is 0; the counts say so, too."""
    assert refused(np.full((1, SOURCES), 1e-60), np.full((1, SOURCES), INF)) == (0, 200)


def test_what_is_planned_by_counts_values_as_the_gate_discounts_them() -> None:
    """Nine of ten auctions are worth half: the KPIs that were asked for and value per price, not prices or arrivals."""
    days = replace(make_days((10,), plain=True), start=np.zeros((1, 1), np.int64))
    market, reference = alike(10), np.ones((1, 3))
    plain, _ = clear(market, days, flat_rule(1.0, 1), 1e9, reference=reference)
    got, _ = clear(market, days, replace(flat_rule(1.0, 1), gate=one_row(0.5)), 1e9, reference=reference)
    log = market.log
    kpi = np.stack([log.exposure, log.interaction, log.conversion], axis=1).astype(np.float64)
    np.testing.assert_allclose(got.requested[0], kpi[0] + 0.5 * kpi[1:].sum(axis=0), rtol=1e-6)
    np.testing.assert_array_equal(got.price_sum, plain.price_sum)
    np.testing.assert_array_equal(got.auctions, plain.auctions)
    np.testing.assert_array_equal(got.segment_auctions, plain.segment_auctions)
    every = clear(replace_source(market), days, replace(flat_rule(1.0, 1), gate=one_row(0.5)), 1e9, reference=reference)
    np.testing.assert_allclose(every[0].ratio_quantiles, plain.ratio_quantiles / 2, rtol=1e-12)  # one octave lower


def replace_source(market: TinyMarket) -> TinyMarket:
    """The market with all auctions from source 2."""
    return TinyMarket(replace(market.log, source=np.full(market.log.n, 2, np.int16)), True)
