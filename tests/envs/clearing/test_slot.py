"""Facts about clearing: who wins, what it costs, and that the kernel equals a plain loop over auctions."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bidpilot.bidding.day.statistics import SlotTotals
from bidpilot.bidding.landscape.shading import POINTS, shade
from bidpilot.bidding.plan.budget_plan import RATIO_QUANTILES
from bidpilot.bidding.rule import Rule
from bidpilot.envs.clearing.columns import FirstPrice
from bidpilot.envs.clearing.settle import EVENT_PROBABILITY
from bidpilot.envs.clearing.slot import clear_slot
from bidpilot.envs.logs.auction_log import AuctionLog, DayRecord
from bidpilot.envs.logs.day_batch import DayBatch

SEGMENTS, SOURCES, N = ("feed/head", "feed/tail", "search/head"), 5, 3000
COUNTS = (0, 1, 255, 256, 257, 700)  # around the kernel's chunks of 256
UNIT = 1.3  # mean price that shading factors are given for
BUDGET = 100.0
MASK = (1 << 64) - 1


@dataclass
class TinyMarket:
    """One log and nothing else; its days are written by the tests."""

    log: AuctionLog
    draws_outcomes: bool


def make_log(seed: int = 0, n: int = N, **columns: NDArray[Any]) -> AuctionLog:
    rng = np.random.default_rng(seed)
    drawn: dict[str, Any] = {
        "market_price": rng.lognormal(0, 1, n),
        "exposure": rng.uniform(0.2, 1, n),
        "interaction": rng.exponential(1, n),
        "conversion": rng.uniform(0, 0.3, n),
        "interacted": rng.integers(0, 4, n),
        "converted": rng.integers(0, 2, n),
    }
    for name in ("exposure", "interaction", "conversion"):
        drawn[f"true_{name}"] = drawn[name] * rng.uniform(0.5, 1, n)
    drawn |= columns
    arrays: dict[str, Any] = {name: np.asarray(column, np.float32) for name, column in drawn.items()}
    return AuctionLog(
        name="tiny",
        **arrays,
        segment=rng.integers(0, len(SEGMENTS), n).astype(np.int16),
        source=rng.integers(0, SOURCES, n).astype(np.int16),
        invalid=rng.random(n) < 0.1,
        offsets=np.array([[0, n]]),
        days=(DayRecord("day", "day", 1.0, 1.0),),
        segments=SEGMENTS,
        sources=SOURCES,
    )


def make_days(counts: tuple[int, ...], thin: bool = False, overlay: bool = False, plain: bool = False) -> DayBatch:
    rng, rows = np.random.default_rng(7), len(counts)
    scale = (rows, 1, len(SEGMENTS))
    return DayBatch(
        start=rng.integers(0, N - max(counts), (rows, 1)) if not plain else np.arange(rows)[:, None],
        count=np.array(counts)[:, None],
        keep=rng.uniform(0, 1, scale).astype(np.float32) if thin else None,
        price_scale=np.ones(scale, np.float32) if plain else rng.uniform(0.5, 2, scale).astype(np.float32),
        value_scale=np.ones(scale, np.float32) if plain else rng.uniform(0.5, 2, scale).astype(np.float32),
        calibration=np.ones((rows, 3), np.float32) if plain else rng.uniform(0.8, 1.2, (rows, 3)).astype(np.float32),
        invalid_share=np.full((rows, 1), 0.3 if overlay else 0.0, np.float32),
        invalid_source=np.full((rows, 1), 4, np.int16),
        salt=rng.integers(0, 2**53, rows).astype(np.uint64),
        budget=np.full(rows, np.nan),
        conversion_value=np.full(rows, np.nan),
        max_cpa=np.full(rows, np.nan),
    )


def flat_rule(bid: NDArray[np.float64] | float, rows: int) -> Rule:
    """The same bid for everything: beta alone."""
    beta = np.broadcast_to(np.asarray(bid, np.float64).reshape(-1, 1), (rows, len(SEGMENTS))).copy()
    return Rule(np.zeros((rows, 3)), np.ones_like(beta), beta)


def clear(
    market: TinyMarket,
    days: DayBatch,
    rule: Rule,
    budget: NDArray[np.float64] | float,
    first: bool = False,
    reference: NDArray[np.float64] | None = None,
    shading: NDArray[np.float64] | None = None,
) -> tuple[SlotTotals, NDArray[np.float64]]:
    rows = len(days)
    left = np.broadcast_to(np.asarray(budget, np.float64), (rows,)).copy()
    out = SlotTotals.zeros(rows, len(SEGMENTS), SOURCES)
    factors = np.ones(POINTS) if shading is None else shading
    clear_slot(
        market, days, 0, rule, left, FirstPrice(np.full(rows, first), factors, np.full(rows, UNIT)), reference, out
    )
    return out, left


def uniform(index: int, salt: int, stream: int) -> float:
    """SplitMix64's finaliser, in Python integers."""
    z = (index * 0x9E3779B97F4A7C15 + salt + stream * 0xD1B54A32D192ED03) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return float((z ^ (z >> 31)) >> 11) / 2**53


def by_the_book(
    market: TinyMarket,
    days: DayBatch,
    rule: Rule,
    budget: float,
    first: bool,
    reference: NDArray[np.float64],
    shading: NDArray[np.float64],
) -> tuple[dict[str, NDArray[np.float64]], list[list[float]]]:
    """The design's clearing, one auction after the other; also every auction's value per price."""
    log, rows = market.log, len(days)
    zeros = SlotTotals.zeros(rows, len(SEGMENTS), SOURCES)
    total = {f.name: getattr(zeros, f.name).astype(np.float64) for f in fields(SlotTotals)}
    ratios: list[list[float]] = [[] for _ in range(rows)]
    for b in range(rows):
        left, salt = budget, int(days.salt[b])
        for i in range(int(days.start[b, 0]), int(days.start[b, 0] + days.count[b, 0])):
            s, origin = int(log.segment[i]), int(log.source[i])
            if days.keep is not None and uniform(i, salt, 1) >= days.keep[b, 0, s]:
                continue
            scale = np.array([1.0, days.value_scale[b, 0, s], days.value_scale[b, 0, s]])
            v = np.array([log.exposure[i], log.interaction[i], log.conversion[i]]) * scale * days.calibration[b]
            true = np.array([log.true_exposure[i], log.true_interaction[i], log.true_conversion[i]]) * scale
            price = float(log.market_price[i] * days.price_scale[b, 0, s])
            total["auctions"][b] += 1
            total["segment_auctions"][b, s] += 1
            total["requested"][b] += v
            total["price_sum"][b] += price
            ratios[b].append(float(reference[b] @ v) / price)
            bid = float(rule.multiplier[b, s] * (rule.alpha[b] @ v) + rule.beta[b, s])
            if first:
                bid = float(shade(np.array(bid), shading, UNIT))
            a = min(bid, left)
            if a < price:
                continue
            cost = a if first else price
            left -= cost
            bad = bool(log.invalid[i])
            if uniform(i, salt, 2) < days.invalid_share[b, 0]:
                bad, origin = True, int(days.invalid_source[b, 0])
            got = np.array([true[0], 0.0, 0.0])
            if not bad:
                total["true"][b] += true
                if market.draws_outcomes:
                    got[1] = true[1] / EVENT_PROBABILITY if uniform(i, salt, 3) < EVENT_PROBABILITY else 0.0
                    got[2] = float(uniform(i, salt, 4) >= 1.0 - true[2])
                else:
                    assert log.interacted is not None
                    assert log.converted is not None
                    got[1], got[2] = log.interacted[i], log.converted[i]
            total["invalid_wins"][b] += bad
            total["predicted"][b] += v
            total["realised"][b] += got
            for name, amount in (("wins", 1.0), ("spend", cost)):
                total[name][b] += amount
                total[f"segment_{name}"][b, s] += amount
                total[f"source_{name}"][b, origin] += amount
            total["committed"][b] += a
            total["source_predicted"][b, origin] += v[1]
            total["source_realised"][b, origin] += got[1]
    return total, ratios


def some_rule(rows: int, scale: float) -> tuple[Rule, NDArray[np.float64]]:
    rng = np.random.default_rng(3)
    alpha = rng.uniform(0.3, 1, (rows, 3)) * np.array([1.0, 0.5, 3.0]) * scale
    multiplier, beta = rng.uniform(0.5, 1.5, (rows, len(SEGMENTS))), rng.uniform(0, 0.2, (rows, len(SEGMENTS)))
    return Rule(alpha, multiplier, beta), alpha * 0.7


@pytest.mark.parametrize("first", [False, True], ids=["second", "first"])
@pytest.mark.parametrize("thin", [False, True], ids=["all", "thinned"])
@pytest.mark.parametrize("overlay", [False, True], ids=["clean", "overlaid"])
@pytest.mark.parametrize("drawn", [False, True], ids=["replayed", "drawn"])
def test_the_kernel_equals_a_plain_loop_over_auctions(first: bool, thin: bool, overlay: bool, drawn: bool) -> None:
    market, days = TinyMarket(make_log(), drawn), make_days(COUNTS, thin, overlay)
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
