"""A market fitted to days of a known market is that market again; its days look like the log's."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bidpilot.bidding.errors import InvalidMarket, NotAMarket
from bidpilot.envs.clearing.day import materialise
from bidpilot.envs.logs.auction_log import AuctionLog, DayRecord, stack_offsets
from bidpilot.envs.markets.fitted.compare import compare
from bidpilot.envs.markets.fitted.fit import calibrate
from bidpilot.envs.markets.fitted.model import AUCTIONS_FILE, MODEL_FILE, CalibratedMarket, MarketModel
from bidpilot.envs.synthetic import SyntheticConfig, SyntheticMarket

KNOWN = SyntheticConfig(
    auctions_per_slot=100,
    log_auctions=100_000,
    price_level=0.08,
    price_curve=(1.0, 1.3, 0.8),
    demand_curve=(0.5, 1.5, 1.0),
    day_value_std=0.15,
    day_price_std=0.12,
    day_traffic_std=0.1,
    value_category_halfwidth=0.6,
    value_own_halfwidth=0.3,
    block_price_std=0.2,
    traffic_halfwidth=0.35,
    arrival_noise=1.0,
    segment_spread=0.5,
)


def record(config: SyntheticConfig, days: int = 80, worth: tuple[float, ...] = (10.0, 40.0)) -> AuctionLog:
    """Days of a market as a recorded log; campaigns of different worth take turns, at the same money values."""
    market = SyntheticMarket(config, np.random.SeedSequence([7, 1]))
    rng = np.random.default_rng(3)
    batch = market.days(rng.random((days, market.draws)))
    parts = [materialise(market, batch, day) for day in range(days)]
    paid = np.array([worth[day % len(worth)] for day in range(days)])
    columns = np.concatenate([part.predicted for part in parts])
    columns[:, 2] *= np.repeat(worth[0] / paid, [len(part.slot) for part in parts])
    kpis = [np.ascontiguousarray(columns[:, kpi]) for kpi in range(3)]
    return AuctionLog(
        name="known",
        market_price=np.concatenate([part.price for part in parts]),
        exposure=kpis[0],
        interaction=kpis[1],
        conversion=kpis[2],
        true_exposure=kpis[0],
        true_interaction=kpis[1],
        true_conversion=kpis[2],
        segment=np.concatenate([part.segment for part in parts]),
        source=np.zeros(len(columns), np.int16),
        invalid=np.zeros(len(columns), np.bool_),
        interacted=None,
        converted=None,
        offsets=stack_offsets([np.bincount(part.slot, minlength=config.slots).astype(np.int64) for part in parts]),
        days=tuple(DayRecord(f"day {d}", f"day {d}", 30.0 + d % 2, paid[d], 2.0 * paid[d]) for d in range(days)),
        segments=market.log.segments,
        sources=1,
    )


@pytest.fixture(scope="module")
def log() -> AuctionLog:
    return record(KNOWN)


@pytest.fixture(scope="module")
def model(log: AuctionLog) -> MarketModel:
    return calibrate(log, carries="money")


@pytest.fixture(scope="module")
def market(model: MarketModel) -> CalibratedMarket:
    return CalibratedMarket(model, np.random.SeedSequence([1, 2]))


def test_the_parameters_are_found_again(model: MarketModel) -> None:
    levels = model.record.levels
    assert levels.auctions_per_slot == pytest.approx(100, rel=0.05)
    assert levels.arrival_noise == pytest.approx(1.0, rel=0.05)
    assert levels.traffic_halfwidth == pytest.approx(0.35, rel=0.1)
    assert levels.block_price_std == pytest.approx(0.2, rel=0.15)
    assert levels.day_price_std == pytest.approx(0.12, rel=0.3)
    assert levels.day_value_std == pytest.approx(0.15, rel=0.4)
    spread = np.hypot(levels.value_category_halfwidth, levels.value_own_halfwidth)
    assert spread == pytest.approx(np.hypot(0.6, 0.3), rel=0.12)
    assert levels.level_autocorrelation == 0.0


def test_days_look_like_the_recorded_ones(log: AuctionLog, market: CalibratedMarket) -> None:
    numbers = compare(log, market, 200, 4, np.random.default_rng(0), "money").numbers()
    assert numbers["win_curve"] < 0.03
    assert numbers["price_quantiles"] < 0.1
    assert numbers["value_per_price_quantiles"] < 0.12
    assert abs(numbers["auctions_per_day"]) < 0.05
    assert {name: gap for name, gap in numbers.items() if name.endswith("lag1") and abs(gap) > 0.08} == {}
    assert {name: gap for name, gap in numbers.items() if "level" in name and abs(gap) > 0.1} == {}


def test_another_market_does_not_look_like_them(log: AuctionLog) -> None:
    other = SyntheticMarket(KNOWN.model_copy(update={"price_level": 0.12}), np.random.SeedSequence([1]))
    assert compare(log, other, 50, 4, np.random.default_rng(0)).numbers()["win_curve"] > 0.1


def test_blocks_that_hang_together_are_seen_to(log: AuctionLog) -> None:
    chained = record(KNOWN.model_copy(update={"level_autocorrelation": 0.6}))
    assert calibrate(chained).record.levels.level_autocorrelation == pytest.approx(0.55, abs=0.15)


def test_a_days_money_does_not_depend_on_what_its_campaigns_conversion_is_worth(market: CalibratedMarket) -> None:
    uniforms = np.tile(np.random.default_rng(4).random((1, market.draws)), (2, 1))
    uniforms[:, -2] = (0.1, 0.999)  # campaigns of worth 10 and 40
    days = market.days(uniforms)
    assert days.conversion_value.tolist() == [10.0, 40.0]
    assert days.max_cpa.tolist() == [20.0, 80.0]
    money = [materialise(market, days, row).predicted[:, 2] * days.conversion_value[row] for row in range(2)]
    np.testing.assert_allclose(money[0], money[1], rtol=1e-5)


def test_where_rates_carry_over_a_day_keeps_them_whatever_its_campaigns_conversion_is_worth() -> None:
    """The known market with equal rates for campaigns of worth 10 and 40: its levels are found again, too."""
    alike = record(KNOWN, worth=(10.0,))
    days = tuple(replace(day, conversion_value=(10.0, 40.0)[d % 2]) for d, day in enumerate(alike.days))
    log = replace(alike, days=days)
    model = calibrate(log)
    assert model.record.carries == "rates"
    assert model.record.levels.day_value_std == pytest.approx(0.15, rel=0.4)
    assert calibrate(log, carries="money").record.levels.day_value_std > 0.4  # worths taken for levels of days
    market = CalibratedMarket(model, np.random.SeedSequence([1, 2]))
    uniforms = np.tile(np.random.default_rng(4).random((1, market.draws)), (2, 1))
    uniforms[:, -2] = (0.1, 0.999)  # campaigns of worth 10 and 40
    batch = market.days(uniforms)
    assert batch.conversion_value.tolist() == [10.0, 40.0]
    one, other = (materialise(market, batch, row).predicted for row in range(2))
    np.testing.assert_array_equal(one, other)
    numbers = compare(log, market, 200, 4, np.random.default_rng(0)).numbers()
    assert numbers["value_per_price_quantiles"] < 0.12
    assert {name: gap for name, gap in numbers.items() if "level" in name and abs(gap) > 0.1} == {}


def test_a_market_stored_before_is_one_of_money(model: MarketModel, tmp_path: Path) -> None:
    model.save(tmp_path)
    stored = json.loads((tmp_path / MODEL_FILE).read_text())
    del stored["carries"]
    (tmp_path / MODEL_FILE).write_text(json.dumps(stored))
    assert MarketModel.load(tmp_path).record.carries == "money"


def test_segments_keep_their_shares_and_their_own_prices(log: AuctionLog, market: CalibratedMarket) -> None:
    assert market.log.segments == log.segments
    shares = [np.bincount(own.segment, minlength=8) / own.n for own in (log, market.log)]
    np.testing.assert_allclose(shares[1], shares[0], atol=0.01)
    search, external = ((market.log.segment == s) for s in (2, 6))
    assert market.log.market_price[search].mean() > 1.2 * market.log.market_price[external].mean()


def test_the_same_uniforms_give_the_same_day_and_a_stored_model_the_same_market(
    model: MarketModel, market: CalibratedMarket, tmp_path: Path
) -> None:
    model.save(tmp_path)
    again = CalibratedMarket(MarketModel.load(tmp_path), np.random.SeedSequence([1, 2]))
    assert again.digest == market.digest
    uniforms = np.random.default_rng(0).random((3, market.draws))
    for a, b in zip(vars(market.days(uniforms)).values(), vars(again.days(uniforms)).values(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert CalibratedMarket(model, np.random.SeedSequence([1, 3])).digest != market.digest


def test_one_day_says_nothing_of_how_days_differ(log: AuctionLog) -> None:
    with pytest.raises(InvalidMarket, match="one day"):
        calibrate(log.select_days([0]))
    with pytest.raises(InvalidMarket, match="must divide"):
        calibrate(log, level_slots=7)


@pytest.mark.parametrize("harm", ["nothing there", "cut json", "cut auctions", "unknown key"])
def test_a_folder_without_a_whole_market_is_named(model: MarketModel, tmp_path: Path, harm: str) -> None:
    if harm != "nothing there":
        model.save(tmp_path)
        path = tmp_path / (AUCTIONS_FILE if harm == "cut auctions" else MODEL_FILE)
        data: Any = path.read_bytes()
        path.write_bytes(data.replace(b'"name"', b'"nome"', 1) if harm == "unknown key" else data[: len(data) // 2])
    with pytest.raises(NotAMarket):
        MarketModel.load(tmp_path)
