"""Days of the synthetic market: each effect is visible when on and absent when off; rows are independent."""

from __future__ import annotations

import time
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bidpilot.bidding.errors import InvalidMarket
from bidpilot.bidding.landscape.calendar import weekday_of
from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.synthetic import SyntheticConfig, SyntheticMarket
from bidpilot.envs.synthetic.generate import SEGMENTS, segment_shares

NEUTRAL: dict[str, Any] = {"log_auctions": 40_000}
DAYS = 400
ALL_ON: dict[str, Any] = {
    "demand_curve": (0.5, 1.5, 1.0),
    "price_curve": (0.8, 1.2),
    "price_jump": 0.3,
    "day_value_std": 0.2,
    "day_price_std": 0.2,
    "day_traffic_std": 0.2,
    "value_drift_std": 0.2,
    "price_drift_std": 0.2,
    "traffic_drift_std": 0.2,
    "calibration_std": (0.1, 0.1, 0.1),
    "value_category_halfwidth": 0.6,
    "value_own_halfwidth": 0.4,
    "block_price_std": 0.2,
    "value_price_level_correlation": 0.5,
    "traffic_halfwidth": 0.4,
    "level_autocorrelation": 0.5,
    "arrival_noise": 1.0,
    "segment_demand_std": 0.3,
    "segment_price_std": 0.3,
    "platform_shock_probability": 0.5,
    "surge_probability": 0.5,
    "viral_probability": 0.5,
    "invalid_burst_probability": 0.5,
    "weekly_curve": (1.2, 1.1, 1.0, 1.0, 1.0, 0.9, 0.8),
}


def market(seed: int = 0, **changes: Any) -> SyntheticMarket:
    return SyntheticMarket(SyntheticConfig(**(NEUTRAL | changes)), np.random.SeedSequence([7, seed]))


def uniforms(made: SyntheticMarket, rows: int = DAYS, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).random((rows, made.draws))


def days(rows: int = DAYS, **changes: Any) -> DayBatch:
    made = market(**changes)
    return made.days(uniforms(made, rows))


def level(scale: NDArray[np.float32]) -> NDArray[np.float64]:
    """The level that all segments share, (B, T)."""
    assert np.array_equal(scale, np.repeat(scale[:, :, :1], scale.shape[2], axis=2))
    return scale[:, :, 0].astype(np.float64)


def columns(batch: DayBatch) -> dict[str, Any]:
    own = {field.name: getattr(batch, field.name) for field in fields(batch)}
    sources = own.pop("sources")
    assert own.pop("answers") is None  # nobody answers there
    return own if sources is None else own | sources._asdict()


def test_a_neutral_day_has_no_effect_at_all() -> None:
    batch = days()
    assert batch.keep is None
    assert (batch.count == 200).all()
    for scale in (batch.price_scale, batch.value_scale, batch.calibration):
        assert (scale == 1.0).all()
    assert not batch.invalid_share.any()
    assert np.isnan(batch.budget).all()
    assert np.isnan(batch.conversion_value).all()


def test_days_are_windows_into_the_log_in_order() -> None:
    batch = days(**ALL_ON)
    assert batch.start.min() >= 0
    assert (batch.start + batch.count).max() <= NEUTRAL["log_auctions"]
    np.testing.assert_array_equal(batch.start[:, 1:], (batch.start + batch.count)[:, :-1])
    assert len(np.unique(batch.start[:, 0])) > 0.9 * DAYS
    assert len(np.unique(batch.salt)) == DAYS


def test_a_row_depends_on_its_own_uniforms_only_bit_for_bit() -> None:
    made = market(**ALL_ON)
    drawn = uniforms(made, 33)
    together, again = columns(made.days(drawn)), columns(made.days(drawn))
    for row in (0, 7, 32):
        alone = columns(made.days(drawn[row : row + 1]))
        for name, column in together.items():
            assert column.flags.c_contiguous, name
            assert column[row].tobytes() == alone[name][0].tobytes(), name
            assert column.tobytes() == again[name].tobytes(), name


def test_extreme_uniforms_give_finite_positive_days() -> None:
    made = market(**ALL_ON)
    for value in (0.0, np.nextafter(1.0, 0.0)):
        batch = made.days(np.full((1, made.draws), value))
        assert (batch.count >= 0).all()
        assert (batch.start + batch.count).max() <= made.log.n
        for scale in (batch.price_scale, batch.value_scale, batch.calibration):
            assert np.isfinite(scale).all()
            assert (scale > 0).all()


def test_turning_one_effect_on_leaves_the_rest_of_the_day() -> None:
    plain, shocked = days(), days(surge_probability=1.0)
    assert np.array_equal(plain.salt, shocked.salt)
    assert np.array_equal(plain.start, shocked.start)
    assert np.array_equal(plain.value_scale, shocked.value_scale)
    assert not np.array_equal(plain.price_scale, shocked.price_scale)


def test_the_demand_curve_shapes_the_counts() -> None:
    mean = days(rows=2, demand_curve=(0.5, 1.5)).count[0]
    assert mean.sum() == pytest.approx(200 * 48, rel=0.01)
    assert mean[12] < 110
    assert mean[36] > 290


def test_the_price_curve_and_the_jump_shape_the_prices() -> None:
    curved = level(days(rows=1, price_curve=(0.5, 1.5)).price_scale)[0]
    assert curved.mean() == pytest.approx(1.0)
    assert curved[36] > 2 * curved[12]
    jumping = level(days(rows=1, price_jump=0.3).price_scale)[0].reshape(6, 8)
    assert jumping.mean() == pytest.approx(1.0)
    assert (np.diff(jumping, axis=1) < 0).all()
    assert jumping[0, 0] / jumping[0, -1] == pytest.approx(1.3, abs=0.01)


@pytest.mark.parametrize("kind", ["value", "price", "traffic"])
def test_day_levels_vary_between_days_and_not_within(kind: str) -> None:
    changes: dict[str, Any] = {f"day_{kind}_std": 0.2}
    batch = days(**changes)
    got: dict[str, NDArray[Any]] = {
        "value": level(batch.value_scale),
        "price": level(batch.price_scale),
        "traffic": batch.count / 200.0,
    }
    for name, levels in got.items():
        assert np.ptp(levels, axis=1).max() == 0.0
        if name == kind:
            assert np.log(levels[:, 0]).std() == pytest.approx(0.2, rel=0.15)
            assert levels.mean() == pytest.approx(1.0, abs=0.04)
        else:
            assert (levels == 1.0).all()


@pytest.mark.parametrize("kind", ["value", "price", "traffic"])
def test_drift_changes_the_level_steadily_from_first_to_last_slot(kind: str) -> None:
    changes: dict[str, Any] = {f"{kind}_drift_std": 0.3}
    batch = days(**changes)
    levels: dict[str, NDArray[Any]] = {
        "value": batch.value_scale[:, :, 0],
        "price": batch.price_scale[:, :, 0],
        "traffic": batch.count,
    }
    change = np.log(levels[kind][:, -1] / levels[kind][:, 0])
    assert change.std() == pytest.approx(0.3, rel=0.15)
    rising = levels[kind][change > 0]
    assert (np.diff(rising, axis=1) >= 0).all()


def test_day_levels_have_mean_one_however_wide() -> None:
    batch = days(rows=4000, day_value_std=0.6, day_price_std=0.6)
    assert batch.value_scale.mean(dtype=np.float64) == pytest.approx(1.0, abs=0.05)
    assert batch.price_scale.mean(dtype=np.float64) == pytest.approx(1.0, abs=0.05)


def test_levels_and_drifts_of_value_price_and_traffic_are_independent() -> None:
    spreads = {f"{kind}_drift_std": 0.5 for kind in ("value", "price", "traffic")}
    spreads |= {f"day_{kind}_std": 0.1 for kind in ("value", "price", "traffic")}
    changes: dict[str, Any] = spreads
    batch = days(rows=2000, **changes)
    curves = (batch.value_scale[:, :, 0], batch.price_scale[:, :, 0], batch.count)
    ends = [np.log(curve[:, [0, -1]].astype(np.float64)) for curve in curves]
    drawn = [end[:, 1] - end[:, 0] for end in ends] + [end.mean(axis=1) for end in ends]
    assert np.abs(np.corrcoef(drawn) - np.eye(6)).max() < 0.1


def test_value_levels_are_redrawn_for_each_block_within_their_bounds() -> None:
    levels = level(days(value_category_halfwidth=0.7, value_own_halfwidth=0.5).value_scale).reshape(DAYS, 6, 8)
    assert np.ptp(levels, axis=2).max() == 0.0
    blocks = levels[:, :, 0]
    assert blocks.min() >= 0.3 * 0.5
    assert blocks.max() <= 1.7 * 1.5
    assert blocks.mean() == pytest.approx(1.0, abs=0.05)
    assert blocks.std() == pytest.approx(np.sqrt((1 + 0.49 / 3) * (1 + 0.25 / 3) - 1), rel=0.08)
    assert abs(np.corrcoef(blocks[:, :-1].ravel(), blocks[:, 1:].ravel())[0, 1]) < 0.08


def test_traffic_levels_last_four_slots_within_their_bounds() -> None:
    counts = days(traffic_halfwidth=0.4).count.reshape(DAYS, 12, 4)
    assert np.ptp(counts, axis=2).max() == 0
    assert counts.min() >= 120
    assert counts.max() <= 280
    assert counts.std() == pytest.approx(200 * 0.4 / np.sqrt(3), rel=0.05)


@pytest.mark.parametrize("phi", [-0.4, 0.7])
def test_levels_of_successive_blocks_correlate_as_asked(phi: float) -> None:
    batch = days(level_autocorrelation=phi, block_price_std=0.3, value_category_halfwidth=0.5)
    price = np.log(batch.price_scale[:, ::8, 0])
    value = batch.value_scale[:, ::8, 0]
    for blocks in (price, value):
        assert np.corrcoef(blocks[:, :-1].ravel(), blocks[:, 1:].ravel())[0, 1] == pytest.approx(phi, abs=0.08)
        assert blocks[:, -1].std() == pytest.approx(blocks[:, 0].std(), rel=0.15)  # stationary


@pytest.mark.parametrize("rho", [0.0, 0.6])
def test_value_and_price_levels_of_a_block_correlate_as_asked(rho: float) -> None:
    batch = days(
        value_price_level_correlation=rho,
        block_price_std=0.2,
        value_category_halfwidth=0.5,
        value_own_halfwidth=0.3,
    )
    price, value = np.log(batch.price_scale[:, ::8, 0]), batch.value_scale[:, ::8, 0]
    assert np.corrcoef(price.ravel(), value.ravel())[0, 1] == pytest.approx(rho, abs=0.06)


def test_arrival_noise_is_that_of_a_poisson_process() -> None:
    counts = days(arrival_noise=1.0).count
    assert counts.mean() == pytest.approx(200, rel=0.01)
    assert counts.std() == pytest.approx(np.sqrt(200), rel=0.03)


def test_a_platform_shock_takes_30_to_50_percent_from_a_random_slot_on() -> None:
    counts = days(platform_shock_probability=1.0).count
    fallen = counts < 200
    assert (np.diff(fallen.astype(int), axis=1) >= 0).all()  # it never recovers
    assert fallen[:, -1].all()
    first = fallen.argmax(axis=1)
    assert first.min() < 4
    assert first.max() > 43
    depth = 1.0 - counts[:, -1] / 200
    assert depth.min() >= 0.295
    assert depth.max() <= 0.505
    assert depth.std() > 0.03
    some = days(platform_shock_probability=0.25).count[:, -1] < 200
    assert some.mean() == pytest.approx(0.25, abs=0.07)


def test_a_competitor_surge_raises_prices_for_its_slots() -> None:
    price = level(days(surge_probability=1.0, surge_price_factor=1.6, surge_slots=5).price_scale)
    on = price > 1.0
    assert (on.sum(axis=1) == 5).all()
    assert np.allclose(price[on], 1.6)
    assert (np.abs(np.diff(on.astype(int), axis=1)).sum(axis=1) <= 2).all()  # one stretch
    assert len(np.unique(on.argmax(axis=1))) > 30


def test_a_viral_video_brings_traffic_for_its_slots() -> None:
    plain, batch = days(), days(viral_probability=0.3, viral_traffic_factor=2.0, viral_slots=5)
    on = batch.count == 2 * plain.count
    assert (batch.count[~on] == plain.count[~on]).all()
    assert set(on.sum(axis=1).tolist()) == {0, 5}
    assert on.any(axis=1).mean() == pytest.approx(0.3, abs=0.07)
    first = on[on.any(axis=1)].argmax(axis=1)
    assert (on[on.any(axis=1)][np.arange(len(first)), first + 4]).all()  # one after the other
    assert (first.min(), first.max()) == (0, 43)
    for name in ("price_scale", "value_scale", "calibration", "salt"):
        np.testing.assert_array_equal(getattr(batch, name), getattr(plain, name))


def test_calibration_error_biases_each_prediction_for_the_day() -> None:
    calibration = days(calibration_std=(0.0, 0.1, 0.2)).calibration
    assert (calibration[:, 0] == 1.0).all()
    np.testing.assert_allclose(np.log(calibration[:, 1:]).std(axis=0), [0.1, 0.2], rtol=0.15)
    np.testing.assert_allclose(calibration.mean(axis=0), 1.0, atol=0.03)


def test_predicted_exposure_stays_within_one_under_calibration_error() -> None:
    made = market(calibration_std=(0.5, 0.0, 0.0))
    calibration = made.days(uniforms(made)).calibration[:, 0]
    assert calibration.std() > 0.1
    assert (calibration * made.log.exposure.max()).max() <= 1.0 + 1e-6


def test_a_burst_of_invalid_traffic_comes_from_a_few_sources() -> None:
    batch = days(invalid_burst_probability=1.0, invalid_burst_share=0.4, invalid_burst_slots=6, invalid_burst_sources=3)
    on = batch.invalid_share > 0
    assert (on.sum(axis=1) == 6).all()
    assert np.allclose(batch.invalid_share[on], 0.4)
    per_day = [len(np.unique(batch.invalid_source[day][on[day]])) for day in range(DAYS)]
    assert max(per_day) == 3
    used = batch.invalid_source[on]
    assert used.min() >= 0
    assert used.max() < 64
    assert len(np.unique(used)) == 64
    assert (days(invalid_burst_probability=0.3).invalid_share.any(axis=1)).mean() == pytest.approx(0.3, abs=0.08)


def test_segment_demand_thins_segments_and_leaves_total_demand() -> None:
    made = market(segment_demand_std=0.4)
    batch = made.days(uniforms(made))
    assert batch.keep is not None
    assert batch.keep.shape == (DAYS, 48, len(SEGMENTS))
    assert batch.keep.min() > 0.0
    assert batch.keep.max() == 1.0
    assert batch.keep.std(axis=2).min() > 0.0
    arriving = batch.count * (batch.keep @ segment_shares(made.config))
    np.testing.assert_allclose(arriving, 200, atol=1.0)


def test_segment_prices_vary_by_day_and_segment() -> None:
    scale = days(segment_price_std=0.2).price_scale
    assert np.ptp(scale, axis=1).max() == 0.0
    assert np.log(scale[:, 0]).std() == pytest.approx(0.2, rel=0.1)


def test_a_reset_of_256_rows_takes_milliseconds() -> None:
    made = market(**ALL_ON)
    drawn = uniforms(made, 256)
    best = min(_seconds(made, drawn) for _ in range(10))
    assert best < 0.02  # 2 to 3 ms on an idle core; room for busy machines


def _seconds(made: SyntheticMarket, drawn: NDArray[np.float64]) -> float:
    start = time.perf_counter()
    made.days(drawn)
    return time.perf_counter() - start


# Bad input


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"slots": 0}, "slots"),
        ({"price_level": -0.1}, "price_level"),
        ({"price_level": float("nan")}, "price_level"),
        ({"budget": 0.0}, "budget"),
        ({"conversion_value": float("inf")}, "conversion_value"),
        ({"auctions_per_slot": 0}, "auctions_per_slot"),
        ({"level_slots": 7}, "does not divide"),
        ({"traffic_slots": 5}, "does not divide"),
        ({"demand_curve": ()}, "demand_curve"),
        ({"price_curve": (1.0, -1.0)}, "price_curve"),
        ({"channel_shares": (0.5, 0.5, 0.5, 0.5)}, "sum to"),
        ({"value_price_correlation": 1.0}, "value_price_correlation"),
        ({"value_own_halfwidth": 1.0}, "value_own_halfwidth"),
        ({"day_value_std": -0.1}, "day_value_std"),
        ({"platform_shock_probability": 1.5}, "platform_shock_probability"),
        ({"platform_shock_depth": (0.5, 0.3)}, "platform_shock_depth"),
        ({"surge_slots": 49}, "exceeds slots"),
        ({"kpi_weights": (0.0, 0.0, 0.0, 0.0, 0.0)}, "kpi_weights"),
        ({"log_auctions": 1000}, "give at least 38400"),
        ({"priec_level": 1.0}, "no such parameter"),
    ],
)
def test_bad_parameters_are_named(change: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidMarket, match=words):
        SyntheticConfig(**(NEUTRAL | change))


def test_a_market_checks_a_config_that_skipped_its_checks() -> None:
    config = SyntheticConfig(**NEUTRAL).model_copy(update={"price_level": float("nan")})
    with pytest.raises(InvalidMarket, match="price_level"):
        SyntheticMarket(config, np.random.SeedSequence(0))


def test_a_price_spread_below_that_of_the_segments_is_refused() -> None:
    with pytest.raises(InvalidMarket, match="price_log_std"):
        market(price_log_std=0.01)


@pytest.mark.parametrize("value", [np.nan, 1.0, -0.1])
def test_uniforms_out_of_range_are_refused(value: float) -> None:
    made = market()
    with pytest.raises(InvalidMarket, match=r"outside \[0, 1\)"):
        made.days(np.full((1, made.draws), value))


def test_uniforms_of_another_shape_are_refused() -> None:
    made = market()
    with pytest.raises(InvalidMarket, match="shape"):
        made.days(np.zeros((2, made.draws + 1)))


WEEK = (1.2, 1.1, 1.0, 1.0, 1.0, 0.9, 0.8)


def test_a_weekly_curve_gives_days_a_weekday_with_its_traffic_and_moves_nothing_else() -> None:
    plain, week = days(), days(weekly_curve=tuple(2.0 * share for share in WEEK))
    assert plain.date is None
    assert week.date is not None
    weekday = weekday_of(week.date)
    assert np.bincount(weekday, minlength=7).min() > DAYS / 14
    np.testing.assert_allclose(week.count, plain.count * np.array(WEEK)[weekday, None], atol=1.0)
    np.testing.assert_array_equal(week.price_scale, plain.price_scale)
    np.testing.assert_array_equal(week.value_scale, plain.value_scale)
    assert len(np.unique(week.date)) > 0.9 * DAYS


def test_a_weekly_curve_has_seven_days() -> None:
    with pytest.raises(InvalidMarket, match="weekly_curve has 5 numbers"):
        SyntheticConfig(weekly_curve=(1.0,) * 5)
