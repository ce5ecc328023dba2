"""Facts about clearing: who wins, what it costs, and that the kernel equals a plain loop over auctions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bidpilot.bidding.day.slot_totals import SlotTotals
from bidpilot.bidding.landscape.shading import POINTS, shade
from bidpilot.bidding.plan.budget_plan import RATIO_QUANTILES
from bidpilot.envs.clearing.columns import Withheld
from bidpilot.envs.logs.auction_log import AuctionLog
from tests.envs.clearing.plain_loop import (
    BUDGET,
    COUNTS,
    COUNTS_BY_SOURCE,
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


@pytest.mark.parametrize("first", [False, True], ids=["second", "first"])
@pytest.mark.parametrize("thin", [False, True], ids=["all", "thinned"])
@pytest.mark.parametrize("overlay", [False, True], ids=["clean", "overlaid"])
@pytest.mark.parametrize("drawn", [False, True], ids=["replayed", "drawn"])
@pytest.mark.parametrize("sources", [False, True], ids=["plain", "sources"])
def test_the_kernel_equals_a_plain_loop_over_auctions(
    first: bool, thin: bool, overlay: bool, drawn: bool, sources: bool
) -> None:
    counts = COUNTS_BY_SOURCE if sources else COUNTS
    market, days = TinyMarket(make_log(), drawn), make_days(counts, thin, overlay, sources=sources)
    rule, reference = some_rule(len(days), 0.8)
    shading = np.linspace(0.95, 0.3, POINTS)
    got, left = clear(market, days, rule, BUDGET, first, reference, shading)
    want, ratios = by_the_book(market, days, rule, BUDGET, first, reference, shading)
    assert (want["wins"][2:] > 10).all()
    assert want["spend"][-1] > BUDGET - 1  # the last row runs out of money, the first ones do not
    for name, value in want.items():
        if name != "ratio_quantiles":
            np.testing.assert_allclose(getattr(got, name), value, rtol=2e-6, atol=1e-9, err_msg=name)
    np.testing.assert_allclose(left, BUDGET - want["spend"], rtol=1e-6, atol=1e-4)
    for b, row in enumerate(ratios):
        if row:
            exact = np.quantile(row, RATIO_QUANTILES, method="inverted_cdf")
            assert (np.abs(np.log2(got.ratio_quantiles[b] / exact)) < np.log2(1 + 1 / 8) + 1e-6).all()


@pytest.mark.parametrize("first", [False, True], ids=["second", "first"])
def test_a_late_win_holds_its_bid_and_is_charged_its_price(first: bool) -> None:
    """Row by row late or prompt; at first price the two are one, and only what was withheld before counts."""
    market, days = TinyMarket(make_log(), True), make_days(COUNTS)
    rule, reference = some_rule(len(days), 0.8)
    shading = np.linspace(0.95, 0.3, POINTS)
    late, before = np.arange(len(days)) % 2 == 1, np.linspace(0.0, 0.3 * BUDGET, len(days))
    withheld = Withheld(late, before.copy())
    got, left = clear(market, days, rule, BUDGET, first, reference, shading, withheld=withheld)
    want, _ = by_the_book(market, days, rule, BUDGET, first, reference, shading, Withheld(late, before))
    for name in ("wins", "spend", "committed", "segment_spend", "true"):
        np.testing.assert_allclose(getattr(got, name), want[name], rtol=2e-6, atol=1e-9, err_msg=name)
    np.testing.assert_allclose(left, BUDGET - got.spend, rtol=1e-6)
    np.testing.assert_allclose(withheld.amount, before + late * (got.committed - got.spend), rtol=1e-6, atol=1e-9)
    assert (left - withheld.amount >= -1e-9).all()
    assert (left - withheld.amount)[-1] < 1.0  # the last row has bid all that it might
    assert late[-1]


@pytest.mark.parametrize("first", [False, True], ids=["second", "first"])
def test_wins_and_spend_are_the_same_without_statistics(first: bool) -> None:
    market, days = TinyMarket(make_log(), True), make_days(COUNTS, thin=True, overlay=True)
    rule, reference = some_rule(len(days), 0.8)
    full, left_full = clear(market, days, rule, BUDGET, first, reference)
    totals, left = clear(market, days, rule, BUDGET, first, None)
    np.testing.assert_array_equal(left, left_full)
    for name in ("auctions", "wins", "spend", "segment_auctions", "segment_wins", "source_wins", "source_spend"):
        np.testing.assert_array_equal(getattr(totals, name), getattr(full, name))
    assert not totals.predicted.any()


@settings(max_examples=60, deadline=None)
@given(
    budget=st.one_of(st.floats(0, 100), st.integers(0, 40).map(float)),
    bid=st.one_of(st.floats(0, 50, width=32), st.integers(0, 10).map(float)),
    first=st.booleans(),
    whole=st.booleans(),
    seed=st.integers(0, 50),
)
def test_spend_never_passes_the_budget_not_by_one_unit(
    budget: float, bid: float, first: bool, whole: bool, seed: int
) -> None:
    log = make_log(seed, 300)
    if whole:  # whole prices: ties, and budgets spent to the last unit
        log = make_log(seed, 300, market_price=np.random.default_rng(seed).integers(0, 8, 300))
    days = replace(make_days((300,), plain=True), start=np.zeros((1, 1), np.int64))
    got, left = clear(TinyMarket(log, True), days, flat_rule(bid, 1), budget, first, np.ones((1, 3)))
    assert left[0] >= 0.0
    assert got.spend[0] <= budget * (1 + 1e-12)
    assert got.spend[0] + left[0] == pytest.approx(budget, rel=1e-12, abs=1e-12)
    assert got.spend[0] <= got.committed[0]
    if whole and not first and bid >= 7 and got.wins[0] < 300 and budget == round(budget):
        assert left[0] == 0.0  # auctions of price 1 follow, so no whole unit is left over


def alone(log: AuctionLog, bid: NDArray[np.float64] | float, budget: float, first: bool = False) -> SlotTotals:
    """Every auction of the log cleared alone, one per row."""
    days = make_days((1,) * log.n, plain=True)
    return clear(TinyMarket(log, True), days, flat_rule(bid, log.n), budget, first, np.ones((log.n, 3)))[0]


def test_a_tie_wins_and_one_ulp_below_loses() -> None:
    log = make_log()
    price = log.market_price.astype(np.float64)
    assert (alone(log, price, 1e9).wins == 1).all()
    below = np.nextafter(log.market_price, np.float32(0)).astype(np.float64)
    assert (alone(log, below, 1e9).wins == 0).all()
    assert (alone(log, price, 1e9, first=True).wins == 1).all()


def test_a_winner_pays_the_market_price_or_its_own_bid_never_more() -> None:
    log = make_log()
    second, first = alone(log, 1.0, 1e9), alone(log, 1.0, 1e9, first=True)
    won = log.market_price <= 1.0
    np.testing.assert_array_equal(second.wins == 1, won)
    np.testing.assert_array_equal(first.wins == 1, won)
    np.testing.assert_array_equal(second.spend, np.where(won, log.market_price.astype(np.float64), 0.0))
    np.testing.assert_array_equal(first.spend, np.where(won, 1.0, 0.0))
    assert (second.spend <= 1.0).all()
    np.testing.assert_array_equal(second.committed, np.where(won, 1.0, 0.0))


@pytest.mark.parametrize("first", [False, True], ids=["second", "first"])
def test_a_higher_bid_wins_whatever_a_lower_one_wins(first: bool) -> None:
    log, won = make_log(), np.zeros(N, np.bool_)
    for bid in (0.0, 0.1, 0.5, 1.0, 3.0, 1000.0):
        now = alone(log, bid, 1e9, first).wins == 1
        assert (now >= won).all()
        won = now
    assert won.all()


def test_the_last_money_buys_what_it_still_reaches() -> None:
    """Budget 5, bid 10, prices 3, 5, 2: 3 is paid, 5 is out of reach, 2 is a tie with the money left."""
    log = make_log(n=3, market_price=np.array([3.0, 5.0, 2.0]))
    days = replace(make_days((3,), plain=True), start=np.zeros((1, 1), np.int64))
    got, left = clear(TinyMarket(log, True), days, flat_rule(10.0, 1), 5.0)
    assert (got.wins[0], got.spend[0], left[0]) == (2, 5.0, 0.0)
    # first price, bid 4: pays 4, then its last 1 where that is enough, and a free auction is won with nothing
    log = make_log(n=3, market_price=np.array([3.0, 1.0, 0.0]))
    got, left = clear(TinyMarket(log, True), days, flat_rule(4.0, 1), 5.0, first=True)
    assert (got.wins[0], got.spend[0], left[0]) == (3, 5.0, 0.0)


def test_the_kernels_shading_is_the_grounds() -> None:
    """A bid under first price is what bidpilot.bidding.landscape.shading says: one function, two implementations."""
    factors = np.sort(np.random.default_rng(0).uniform(0.1, 1, POINTS))[::-1].copy()
    log = make_log(n=400, market_price=np.zeros(400))
    values = np.geomspace(UNIT * 2.0**-10, UNIT * 2.0**10, 400)
    days = make_days((1,) * 400, plain=True)
    got, _ = clear(TinyMarket(log, True), days, flat_rule(values, 400), 1e9, first=True, shading=factors)
    np.testing.assert_allclose(got.spend, shade(values, factors, UNIT), rtol=2e-6)


def test_thinning_keeps_the_share_and_drawn_outcomes_keep_the_expectation() -> None:
    log = make_log()
    days = replace(make_days((N,) * 30, plain=True), start=np.zeros((30, 1), np.int64))
    keep = np.broadcast_to(np.array([0.2, 0.5, 1.0], np.float32), (30, 1, 3)).copy()
    days = replace(days, keep=keep)
    got, _ = clear(TinyMarket(log, True), days, flat_rule(1e3, 30), 1e9, reference=np.ones((30, 3)))
    of_segment = np.bincount(log.segment, minlength=3)
    np.testing.assert_allclose(got.segment_auctions.mean(axis=0) / of_segment, [0.2, 0.5, 1.0], atol=0.01)
    np.testing.assert_allclose(got.realised.sum(axis=0)[1:] / got.true.sum(axis=0)[1:], 1.0, atol=0.03)
