"""The presets vary as the recorded data do; `daily` is frozen; the constants are those of the data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.markets.fitted import published as calibration
from bidpilot.envs.markets.fitted.published import LevelStatistics, level_statistics
from bidpilot.envs.markets.presets import DEFAULT_PRESET, PRESETS
from bidpilot.envs.synthetic import SyntheticMarket

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"no recorded data at {DATA}")

DAILY_DIGEST = "83684193613a6d84e746d689cb80b5b7"


@pytest.fixture(scope="module")
def markets() -> dict[str, SyntheticMarket]:
    seed = np.random.SeedSequence([101, 1])
    return {name: SyntheticMarket(config, seed, name) for name, config in PRESETS.items()}


def sample(market: SyntheticMarket, rows: int = 1500) -> DayBatch:
    return market.days(np.random.default_rng(5).random((rows, market.draws)))


def slot_sums(batch: DayBatch, column: NDArray[np.float32], scale: NDArray[np.float32]) -> NDArray[np.float64]:
    total = np.concatenate([[0.0], np.cumsum(column, dtype=np.float64)])
    sums = (total[batch.start + batch.count] - total[batch.start]) * scale[:, :, 0]
    return np.asarray(sums)


def statistics(market: SyntheticMarket, batch: DayBatch) -> LevelStatistics:
    value = slot_sums(batch, market.log.true_conversion, batch.value_scale) * market.config.conversion_value
    price = slot_sums(batch, market.log.market_price, batch.price_scale)
    return level_statistics(batch.count.astype(np.float64), value, price, 8, 4)


def test_daily_is_the_default_and_frozen() -> None:
    assert DEFAULT_PRESET == "daily"
    assert PRESETS["daily"].digest == DAILY_DIGEST, "daily is frozen: name a new preset instead"


def test_daily_varies_as_the_auctionnet_periods_do(markets: dict[str, SyntheticMarket]) -> None:
    got = statistics(markets["daily"], sample(markets["daily"]))
    np.testing.assert_allclose(got.value_level, calibration.AUCTIONNET_VALUE_LEVEL, rtol=0.1)
    np.testing.assert_allclose(got.traffic, calibration.AUCTIONNET_TRAFFIC, rtol=0.1)
    np.testing.assert_allclose(got.value_per_price, calibration.AUCTIONNET_VALUE_PER_PRICE, rtol=0.1)
    np.testing.assert_allclose(got.price_level, calibration.AUCTIONNET_PRICE_LEVEL, rtol=0.1)


def test_daily_statistics_are_frozen(markets: dict[str, SyntheticMarket]) -> None:
    got = statistics(markets["daily"], sample(markets["daily"]))
    np.testing.assert_allclose(got.value_level, (0.455, 0.953, 1.628), atol=0.005)
    np.testing.assert_allclose(got.traffic, (0.703, 0.998, 1.299), atol=0.005)
    np.testing.assert_allclose(got.value_per_price, (0.449, 0.930, 1.655), atol=0.005)


def test_days_of_steady_differ_by_5_to_10_percent_and_blocks_no_more(
    markets: dict[str, SyntheticMarket],
) -> None:
    batch = sample(markets["steady"])
    for scale in (batch.value_scale, batch.price_scale):
        day = np.log(scale[:, :, 0].mean(axis=1, dtype=np.float64))
        assert 0.05 < day.std() < 0.10
        shape = scale[:, :, 0] / scale[:, :1, 0]
        np.testing.assert_allclose(shape, shape[:1].repeat(len(batch), axis=0), rtol=1e-5)
    assert 0.05 < np.log(batch.count.sum(axis=1)).std() < 0.10


@pytest.mark.parametrize("name", list(PRESETS))
def test_prices_spread_as_ipinyou_s_do(markets: dict[str, SyntheticMarket], name: str) -> None:
    log = markets[name].log
    price = np.log(log.market_price.astype(np.float64))
    assert price.std() == pytest.approx(calibration.IPINYOU_PRICE_LOG_STD, rel=0.01)
    assert log.market_price.mean(dtype=np.float64) * 1000 == pytest.approx(calibration.IPINYOU_MEAN_PRICE, rel=1e-3)
    correlation = np.corrcoef(price, np.log(log.conversion))[0, 1]
    assert correlation == pytest.approx(calibration.IPINYOU_VALUE_PRICE_CORRELATION, abs=0.02)


@pytest.mark.parametrize("name", list(PRESETS))
def test_demand_follows_avito_s_hours(markets: dict[str, SyntheticMarket], name: str) -> None:
    batch = sample(markets[name])
    assert batch.count.sum(axis=1).mean() == pytest.approx(9600, rel=0.02)
    hourly = batch.count.mean(axis=0).reshape(24, 2).sum(axis=1)
    np.testing.assert_allclose(hourly / hourly.mean(), calibration.AVITO_HOURLY_DEMAND, atol=0.06)


@pytest.mark.parametrize("name", list(PRESETS))
@pytest.mark.parametrize("preference", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1)])
def test_the_default_budget_buys_15_to_25_percent_of_a_day(
    markets: dict[str, SyntheticMarket], name: str, preference: tuple[int, int, int]
) -> None:
    market = markets[name]
    batch = sample(market, 12)
    shares = [_share_bought(market, batch, day, preference) for day in range(len(batch))]
    assert 0.15 < np.mean(shares) < 0.25


def _share_bought(market: SyntheticMarket, batch: DayBatch, day: int, preference: tuple[int, int, int]) -> float:
    """Share of a day's auctions that the default budget buys, best value per price first."""
    log, count = market.log, batch.count[day]
    window = slice(batch.start[day, 0], batch.start[day, 0] + count.sum())
    slot = np.repeat(np.arange(market.slots), count)
    price = log.market_price[window] * batch.price_scale[day, slot, 0]
    scale = batch.value_scale[day, slot, 0]
    kpis = (
        log.true_exposure[window],
        log.true_interaction[window] * scale,
        log.true_conversion[window] * scale,
    )
    value = sum(w * kpi / kpi.mean() for w, kpi in zip(preference, kpis, strict=True))
    bought = np.cumsum(price[np.argsort(-value / price)], dtype=np.float64) <= market.config.budget
    return float(bought.mean())


# The constants against the data


@pytest.fixture(scope="module")
def auctionnet() -> dict[int, dict[str, NDArray[np.float64]]]:
    """Per advertiser: count, value and price sums per (period, step), each (10, 48); periods 0..9 only."""
    files = [DATA / "auctionnet" / f"period-{period}.parquet" for period in range(10)]
    keys = ["advertiserNumber", "deliveryPeriodIndex", "timeStepIndex"]
    steps = (
        pl.concat([pl.scan_parquet(file) for file in files])
        .group_by(keys)
        .agg(
            pl.len().cast(pl.Float64).alias("count"),
            (pl.col("pValue").cast(pl.Float64) * pl.col("CPAConstraint")).sum().alias("value"),
            pl.col("leastWinningCost").cast(pl.Float64).sum().alias("price"),
        )
        .sort(keys)
        .collect()
    )
    return {
        advertiser: {
            name: steps.filter(pl.col("advertiserNumber") == advertiser)[name].to_numpy().reshape(10, 48)
            for name in ("count", "value", "price")
        }
        for advertiser in (0, 27)
    }


@needs_data
def test_auctionnet_quantiles_are_those_of_periods_0_to_9(
    auctionnet: dict[int, dict[str, NDArray[np.float64]]],
) -> None:
    # Each advertiser is brought to its own mean before both are pooled.
    pooled: dict[str, list[Any]] = {"value": [], "price": [], "ratio": [], "traffic": []}
    for sums in auctionnet.values():
        value, price, count = (sums[name].reshape(10, 6, 8).sum(axis=2) for name in ("value", "price", "count"))
        half = sums["count"].reshape(10, 12, 4).sum(axis=2)
        level, cost = value / count, price / count
        pooled["value"].append(level / level.mean())
        pooled["price"].append(cost / cost.mean())
        pooled["ratio"].append(level / cost / (level / cost).mean())
        pooled["traffic"].append(half / half.mean(axis=0))
    for name, constant in (
        ("value", calibration.AUCTIONNET_VALUE_LEVEL),
        ("price", calibration.AUCTIONNET_PRICE_LEVEL),
        ("ratio", calibration.AUCTIONNET_VALUE_PER_PRICE),
        ("traffic", calibration.AUCTIONNET_TRAFFIC),
    ):
        np.testing.assert_allclose(np.quantile(pooled[name], calibration.QUANTILES), constant, atol=0.002)


@needs_data
def test_auctionnet_price_curves_are_those_of_the_data(
    auctionnet: dict[int, dict[str, NDArray[np.float64]]],
) -> None:
    sums = auctionnet[0]
    blocks = sums["price"].reshape(10, 6, 8).sum(axis=2) / sums["count"].reshape(10, 6, 8).sum(axis=2)
    np.testing.assert_allclose((blocks / blocks.mean()).mean(axis=0), calibration.AUCTIONNET_PRICE_CURVE, atol=0.002)
    steps = (sums["price"] / sums["count"]).reshape(10, 6, 8)
    within = (steps / steps.mean(axis=2, keepdims=True)).mean(axis=(0, 1))
    np.testing.assert_allclose(within, calibration.AUCTIONNET_PRICE_IN_BLOCK, atol=0.002)
    fitted = SyntheticMarket(PRESETS["daily"].model_copy(update={"price_curve": (1.0,)}), np.random.SeedSequence(1))
    neutral = fitted.days(np.full((1, fitted.draws), 0.5)).price_scale[0, :8, 0]
    np.testing.assert_allclose(neutral / neutral.mean(), within, atol=0.03)


@needs_data
def test_auctionnet_level_correlations_are_those_of_the_data(
    auctionnet: dict[int, dict[str, NDArray[np.float64]]],
) -> None:
    successive, with_price = [], []
    for sums in auctionnet.values():
        blocks = {name: column.reshape(10, 6, 8).sum(axis=2) for name, column in sums.items()}
        value, price = blocks["value"] / blocks["count"], blocks["price"] / blocks["count"]
        successive.append(np.corrcoef(value[:, :-1].ravel(), value[:, 1:].ravel())[0, 1])
        with_price.append(np.corrcoef(np.log(value).ravel(), np.log(price).ravel())[0, 1])
    assert np.mean(successive) == pytest.approx(calibration.AUCTIONNET_BLOCK_AUTOCORRELATION, abs=0.01)
    assert np.mean(with_price) == pytest.approx(calibration.AUCTIONNET_VALUE_PRICE_LEVEL_CORRELATION, abs=0.01)


@needs_data
def test_auctionnet_spreads_within_a_step_are_those_of_the_data() -> None:
    value, price = pl.col("pValue").cast(pl.Float64), pl.col("leastWinningCost").cast(pl.Float64)
    files = [DATA / "auctionnet" / f"period-{period}.parquet" for period in range(10)]
    steps = (
        pl.concat([pl.scan_parquet(file) for file in files])
        .filter((value > 0) & (price > 0))
        .group_by("advertiserNumber", "deliveryPeriodIndex", "timeStepIndex")
        .agg(
            value.log().std().alias("spread"),
            pl.corr(value.log(), price.log()).alias("correlation"),
            (pl.col("pValueSigma") / value).mean().alias("noise"),
        )
        .group_by("advertiserNumber")
        .agg(pl.col("spread", "correlation", "noise").mean())
        .select(pl.col("spread", "correlation", "noise").mean())
        .collect()
    )
    assert steps["spread"].item() == pytest.approx(calibration.AUCTIONNET_VALUE_LOG_STD, abs=0.005)
    assert steps["correlation"].item() == pytest.approx(calibration.AUCTIONNET_VALUE_PRICE_CORRELATION, abs=0.005)
    assert steps["noise"].item() == pytest.approx(calibration.AUCTIONNET_PREDICTION_STD, abs=0.005)


@needs_data
def test_ipinyou_price_constants_are_those_of_the_histograms() -> None:
    histograms = json.loads((DATA / "ipinyou" / "price_histograms.json").read_text())
    share = sum(
        np.array(campaign["price_counter_train"]) / sum(campaign["price_counter_train"])
        for campaign in histograms.values()
    ) / len(histograms)
    price = np.arange(share.size)
    assert share @ price == pytest.approx(calibration.IPINYOU_MEAN_PRICE, rel=1e-3)
    positive, log_price = share[1:] / share[1:].sum(), np.log(price[1:])
    spread = np.sqrt(positive @ (log_price - positive @ log_price) ** 2)
    assert spread == pytest.approx(calibration.IPINYOU_PRICE_LOG_STD, rel=1e-3)


@needs_data
def test_ipinyou_correlation_is_that_of_the_sample() -> None:
    rows = np.loadtxt(DATA / "ipinyou" / "1458-train.txt", usecols=(1, 2))
    price, rate = rows[(rows > 0).all(axis=1)].T
    got = np.corrcoef(np.log(price), np.log(rate))[0, 1]
    assert got == pytest.approx(calibration.IPINYOU_VALUE_PRICE_CORRELATION, abs=1e-3)


@needs_data
def test_avito_demand_is_that_of_the_shares() -> None:
    hours = pl.read_csv(DATA / "avito" / "traffic_share.csv").group_by("hour").agg(pl.col("traffic_share").mean())
    share = hours.sort("hour")["traffic_share"].to_numpy()
    np.testing.assert_allclose(share / share.mean(), calibration.AVITO_HOURLY_DEMAND, atol=1e-3)
