"""Recorded days are replayed as they were; recombined days resemble them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bidpilot.bidding.errors import InvalidMarket
from bidpilot.bidding.landscape.calendar import UNDATED, days_since_1970
from bidpilot.envs.logs.auction_log import AuctionLog, DayRecord, stack_offsets
from bidpilot.envs.logs.auctionnet import import_auctionnet
from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.markets.base import Market
from bidpilot.envs.markets.recorded.carrying import Carried
from bidpilot.envs.markets.recorded.recombined import RecombinationConfig, RecombinedMarket
from bidpilot.envs.markets.recorded.replay import RecordedMarket

DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "auctionnet"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"no recorded AuctionNet periods in {DATA}")

BLOCKS, HALVES = (3, 4), (6, 2)  # of the small log: 3 blocks of 4 slots, 6 half-blocks of 2
SMALL = RecombinationConfig(level_slots=4, traffic_slots=2, sigma_budget=0.0)


def make_log(days: int = 6, seed: int = 1, worth: tuple[float, ...] = (50.0, 100.0)) -> AuctionLog:
    """Days of 12 slots whose blocks differ in value and whose half-blocks differ in traffic."""
    rng = np.random.default_rng(seed)
    traffic = np.repeat(rng.uniform(0.6, 1.4, (days, 6)), 2, axis=1)
    counts = np.rint(400 * traffic).astype(np.int64)
    offsets = stack_offsets(list(counts))
    n = int(offsets[-1, -1])
    value_of_day = np.array([worth[day % len(worth)] for day in range(days)])
    level = np.repeat(rng.uniform(0.3, 1.7, (days, 3)), 4, axis=1) / value_of_day[:, None]
    conversion = (0.1 * np.repeat(level.ravel(), counts.ravel()) * rng.uniform(0.5, 1.5, n)).astype(np.float32)
    exposure, interaction = np.ones(n, dtype=np.float32), np.zeros(n, dtype=np.float32)
    zeros = np.zeros(n, dtype=np.int16)
    return AuctionLog(
        name="small",
        market_price=rng.lognormal(-3, 0.4, n).astype(np.float32),
        exposure=exposure,
        interaction=interaction,
        conversion=conversion,
        true_exposure=exposure,
        true_interaction=interaction,
        true_conversion=conversion,
        segment=zeros,
        source=zeros,
        invalid=np.zeros(n, dtype=np.bool_),
        interacted=None,
        converted=None,
        offsets=offsets,
        days=tuple(
            DayRecord(f"day {d}", f"unit {d}", 100.0 + d, value_of_day[d], value_of_day[d]) for d in range(days)
        ),
        segments=("feed/head", "feed/tail"),
        sources=1,
    )


def window_means(batch: DayBatch, column: NDArray[Any], shape: tuple[int, int]) -> NDArray[np.float64]:
    """Mean of a column over the windows of each group of slots, (B, groups)."""
    sums = np.concatenate([[0.0], np.cumsum(column, dtype=np.float64)])
    totals = (sums[batch.start + batch.count] - sums[batch.start]).reshape(-1, *shape).sum(axis=2)
    return np.asarray(totals / np.maximum(batch.count.reshape(-1, *shape).sum(axis=2), 1))


def money(batch: DayBatch, log: AuctionLog, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Mean money value per auction of each block, (B, blocks)."""
    scale = batch.value_scale[:, :: shape[1], 0] * batch.conversion_value[:, None]
    return window_means(batch, log.conversion, shape) * scale


def prices(batch: DayBatch, log: AuctionLog, shape: tuple[int, int]) -> NDArray[np.float64]:
    return window_means(batch, log.market_price, shape) * batch.price_scale[:, :: shape[1], 0]


def draw(market: Market, rows: int, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).random((rows, market.draws))


def same_days(a: DayBatch, b: DayBatch) -> bool:
    return all(
        np.array_equal(x, y, equal_nan=x.dtype.kind == "f")
        for x, y in zip(vars(a).values(), vars(b).values(), strict=True)
        if x is not None
    )


def test_recorded_days_are_the_log() -> None:
    log = make_log()
    batch = RecordedMarket(log).recorded(range(6))
    np.testing.assert_array_equal(batch.start, log.offsets[:, :-1])
    np.testing.assert_array_equal(batch.start + batch.count, log.offsets[:, 1:])
    assert batch.budget.tolist() == [day.budget for day in log.days]
    assert batch.conversion_value.tolist() == batch.max_cpa.tolist() == [50.0, 100.0] * 3
    for scale in (batch.price_scale, batch.value_scale, batch.calibration):
        assert (scale == 1).all()
    assert batch.price_scale.shape == (6, 12, 2)
    assert batch.keep is None
    assert not batch.invalid_share.any()


def test_a_uniform_picks_the_recorded_day_at_its_share() -> None:
    market = RecordedMarket(make_log())
    batch = market.days(np.array([[0.0], [0.34], [0.9999999]]))
    np.testing.assert_array_equal(batch.start, market.recorded([0, 2, 5]).start)


def test_a_day_without_a_target_has_none() -> None:
    log = make_log(days=1)
    free = replace(log, days=(replace(log.days[0], max_cpa=None),))
    assert np.isnan(RecordedMarket(free).recorded(0).max_cpa).all()
    market = RecombinedMarket(free, SMALL)
    assert np.isnan(market.days(draw(market, 3)).max_cpa).all()


def test_outcomes_are_replayed_only_where_both_are_recorded() -> None:
    log = make_log()
    realised = np.zeros(log.n, dtype=np.float32)
    assert RecordedMarket(log).draws_outcomes
    assert RecordedMarket(replace(log, converted=realised)).draws_outcomes
    full = replace(log, converted=realised, interacted=realised)
    assert not RecordedMarket(full).draws_outcomes
    assert RecombinedMarket(full, SMALL).draws_outcomes  # recorded outcomes do not fit redrawn values


@pytest.mark.parametrize("indices", [[6], [-1], [0, 7]])
def test_a_day_that_was_not_recorded_is_refused(indices: list[int]) -> None:
    with pytest.raises(InvalidMarket, match="recorded days"):
        RecordedMarket(make_log()).recorded(indices)


def test_uniforms_of_the_wrong_shape_or_range_are_refused() -> None:
    for market in (RecordedMarket(make_log()), RecombinedMarket(make_log(), SMALL)):
        for bad in (
            np.zeros((2, market.draws + 1)),
            np.ones((2, market.draws)),
            np.full((1, market.draws), np.nan),
        ):
            with pytest.raises(InvalidMarket):
                market.days(bad)


def test_blocks_that_do_not_divide_the_day_are_refused() -> None:
    with pytest.raises(InvalidMarket, match="12 slots"):
        RecombinedMarket(make_log())  # blocks of 8 slots in a day of 12
    with pytest.raises(InvalidMarket, match="traffic_slots"):
        RecombinedMarket(make_log(), RecombinationConfig(level_slots=4, traffic_slots=3))
    with pytest.raises(InvalidMarket, match="5"):
        RecordedMarket(make_log(), level_slots=5)
    assert RecordedMarket(make_log()).level_slots == 4


def test_a_recombined_day_depends_on_its_own_uniforms_only() -> None:
    market = RecombinedMarket(make_log(), SMALL)
    uniforms = draw(market, 9)
    whole = market.days(uniforms)
    for row in (0, 4, 8):
        alone = market.days(uniforms[row : row + 1])
        np.testing.assert_array_equal(alone.start[0], whole.start[row])
        np.testing.assert_array_equal(alone.count[0], whole.count[row])
        np.testing.assert_array_equal(alone.value_scale[0], whole.value_scale[row])
        assert alone.budget[0] == whole.budget[row]
    assert same_days(whole, market.days(uniforms.copy()))
    assert len(set(whole.salt.tolist())) == 9


def test_windows_stay_inside_their_block_of_the_recorded_day() -> None:
    log = make_log()
    market = RecombinedMarket(log, SMALL.model_copy(update={"traffic_breadth": 4.0}))
    batch = market.days(draw(market, 300))
    first, last = log.offsets[:, :-1:4], log.offsets[:, 4::4]
    day = np.searchsorted(log.offsets[:, 0], batch.start, side="right") - 1
    block = np.arange(12) // 4
    assert (batch.count >= 0).all()
    assert (batch.start >= first[day, block]).all()
    assert (batch.start + batch.count <= last[day, block]).all()
    assert len(set(day[:, 0].tolist())) == 6  # every recorded day is used
    np.testing.assert_array_equal(day[:, 0], day[:, 3])  # a block is of one day ...
    assert (day[:, 0] != day[:, 4]).any()  # ... and the next block of another


@pytest.mark.parametrize("carries", ["rates", "money"])
def test_what_carries_over_stays_whatever_campaign_is_drawn(carries: Carried) -> None:
    """Blocks at the median level differ in nothing but what their campaign's conversion is worth."""
    log = make_log()
    one_level = RecombinationConfig(level_slots=4, traffic_slots=2, sigma_day=0.0, carries=carries)
    market = RecombinedMarket(log, one_level)
    uniforms = draw(market, 400)
    uniforms[:, market.draws - 12 - 6 - 3 : market.draws - 12 - 6] = 0.5
    batch = market.days(uniforms)
    worth = money(batch, log, BLOCKS)
    dear = batch.conversion_value == 100.0
    assert 100 < dear.sum() < 300
    want = 1.0 if carries == "money" else 2.0
    assert worth[dear].mean() / worth[~dear].mean() == pytest.approx(want, abs=0.01 * want)


def test_money_values_stay_whatever_campaign_a_block_was_recorded_for() -> None:
    one_level = RecombinationConfig(level_slots=4, traffic_slots=2, sigma_day=0.0, carries="money")
    log = make_log()
    market = RecombinedMarket(log, one_level)
    uniforms = draw(market, 400)
    uniforms[:, market.draws - 12 - 6 - 3 : market.draws - 12 - 6] = 0.5  # every block at the median level
    batch = market.days(uniforms)
    worth = money(batch, log, BLOCKS)
    median = np.median(money(RecordedMarket(log).recorded(range(6)), log, BLOCKS))
    assert set(batch.conversion_value) == {50.0, 100.0}
    np.testing.assert_allclose(worth, np.full_like(worth, median), rtol=0.08)
    ratio = worth[batch.conversion_value == 50.0].mean() / worth[batch.conversion_value == 100.0].mean()
    assert ratio == pytest.approx(1.0, abs=0.01)


def test_budget_and_target_come_from_one_recorded_day() -> None:
    market = RecombinedMarket(make_log(), SMALL)
    batch = market.days(draw(market, 200))
    recorded = {(day.budget, day.conversion_value, day.max_cpa) for day in market.log.days}
    assert set(zip(batch.budget, batch.conversion_value, batch.max_cpa, strict=True)) == recorded


def spread(values: NDArray[np.float64]) -> float:
    return float(np.std(np.log(values)))


@pytest.mark.parametrize(
    ("parameter", "value", "measure"),
    [
        ("sigma_day", 0.5, lambda b, log: money(b, log, BLOCKS).mean(axis=1)),
        ("value_breadth", 2.0, lambda b, log: money(b, log, BLOCKS)),
        ("sigma_price", 0.5, lambda b, log: prices(b, log, BLOCKS).mean(axis=1)),
        ("sigma_traffic", 0.2, lambda b, _log: b.count.sum(axis=1)),
        ("traffic_breadth", 1.8, lambda b, _log: b.count.reshape(-1, *HALVES).sum(axis=2)),
        ("sigma_budget", 0.5, lambda b, _log: b.budget),
    ],
)
def test_each_parameter_widens_what_it_names(parameter: str, value: float, measure: Any) -> None:
    log = make_log()
    quiet = RecombinationConfig(
        level_slots=4, traffic_slots=2, sigma_day=0.0, sigma_price=0.0, sigma_traffic=0.0, sigma_budget=0.0
    )
    spreads = []
    for config in (quiet, quiet.model_copy(update={parameter: value})):
        market = RecombinedMarket(log, config)
        spreads.append(spread(measure(market.days(draw(market, 800)), log)))
    assert spreads[1] > 1.3 * spreads[0]
    if parameter.startswith("sigma"):
        assert np.sqrt(spreads[1] ** 2 - spreads[0] ** 2) == pytest.approx(value, rel=0.25)


def test_the_digest_is_of_the_log_and_the_parameters() -> None:
    log = make_log()
    digests = {
        RecordedMarket(log).digest,
        RecordedMarket(make_log(seed=2)).digest,
        RecombinedMarket(log, SMALL).digest,
        RecombinedMarket(make_log(seed=2), SMALL).digest,
        RecombinedMarket(log, SMALL.model_copy(update={"sigma_day": 0.1})).digest,
    }
    assert len(digests) == 5
    assert RecombinedMarket(make_log(), SMALL).digest in digests


def test_empty_slots_and_a_single_day_still_recombine() -> None:
    log = make_log(days=1)
    n = log.n
    counts = np.zeros(12, dtype=np.int64)
    counts[[0, 1, 9]] = [n // 2, n - n // 2 - 7, 7]
    market = RecombinedMarket(replace(log, offsets=stack_offsets([counts])), SMALL)
    batch = market.days(draw(market, 50))
    assert np.isfinite(batch.value_scale).all()
    assert (batch.value_scale > 0).all()
    assert (batch.count[:, 2:8] == 0).all()
    assert (batch.count[:, 0] > 0).all()


def test_a_log_of_interactions_alone_has_levels_too() -> None:
    log = make_log()
    none = np.zeros(log.n, dtype=np.float32)
    likes = np.ascontiguousarray(log.conversion * np.repeat([50.0, 100.0] * 3, log.counts.sum(axis=1)), np.float32)
    log = replace(log, conversion=none, true_conversion=none, interaction=likes, true_interaction=likes)
    market = RecombinedMarket(log, SMALL)
    batch = market.days(draw(market, 2000))
    levels = window_means(batch, log.interaction, BLOCKS) * batch.value_scale[:, ::4, 0]
    recorded = window_means(RecordedMarket(log).recorded(range(6)), log.interaction, BLOCKS)
    np.testing.assert_allclose(np.median(levels), np.median(recorded), rtol=0.1)


@cache
def auctionnet() -> AuctionLog:
    return import_auctionnet([DATA / "period-*.parquet"]).log


@needs_data
@pytest.mark.parametrize("statistic", ["value level", "traffic", "value per price", "price", "day's auctions"])
def test_recombined_days_resemble_the_recorded_periods(statistic: str) -> None:
    log = auctionnet()
    market = RecombinedMarket(log)
    recorded = RecordedMarket(log).recorded(range(log.n_days))
    blocks, halves = (6, 8), (12, 4)
    usual_traffic = recorded.count.reshape(-1, *halves).sum(axis=2).mean(axis=0)
    usual_price = prices(recorded, log, blocks).mean(axis=0)
    measures: dict[str, Callable[[DayBatch], NDArray[Any]]] = {
        "value level": lambda b: money(b, log, blocks),
        "traffic": lambda b: b.count.reshape(-1, *halves).sum(axis=2) / usual_traffic,
        "value per price": lambda b: money(b, log, blocks) / prices(b, log, blocks),
        "price": lambda b: prices(b, log, blocks) / usual_price,
        "day's auctions": lambda b: b.count.sum(axis=1),
    }
    measure = measures[statistic]
    percentiles = [10, 50, 90]
    made = np.percentile(measure(market.days(draw(market, 2000))), percentiles)
    np.testing.assert_allclose(made, np.percentile(measure(recorded), percentiles), rtol=0.1)


@needs_data
def test_recombined_prices_keep_their_course_inside_a_block() -> None:
    log = auctionnet()
    market = RecombinedMarket(log)
    made = prices(market.days(draw(market, 2000)), log, (48, 1)).mean(axis=0)
    recorded = prices(RecordedMarket(log).recorded(range(log.n_days)), log, (48, 1)).mean(axis=0)
    np.testing.assert_allclose(made, recorded, rtol=0.08)


def test_days_have_the_date_that_their_unit_is() -> None:
    log = make_log(3)
    assert RecordedMarket(log).recorded([0, 1]).date is None
    dated = replace(log, days=tuple(replace(d, unit=u) for d, u in zip(log.days, UNITS, strict=True)))
    np.testing.assert_array_equal(
        RecordedMarket(dated).recorded([2, 0, 1]).date, [UNDATED, days_since_1970(date(2026, 11, 29)), -1]
    )


UNITS = ("2026-11-29", "1969-12-31", "unit 2")
