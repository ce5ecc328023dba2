"""Weekday effects: shrunk where days are few, found where they are many, and none that chance explains."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bidpilot.bidding.landscape.calendar import FIRST_MONDAY, UNDATED, NamedEvent, days_since_1970, weekday_of
from bidpilot.bidding.landscape.forecast import TRAFFIC_LEVEL
from bidpilot.bidding.landscape.spread import fit_spread
from bidpilot.envs.markets.fitted.published import AVITO_WEEKLY_DEMAND
from bidpilot.envs.markets.forecasting import fit_forecast
from bidpilot.envs.markets.weekdays import fit_calendar, weekday_effects
from bidpilot.envs.synthetic import SyntheticConfig, SyntheticMarket

EFFECT = np.log2(np.array(AVITO_WEEKLY_DEMAND))


def levels(days: int, noise: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """log2 levels of days in a row with Avito's week, and their weekdays."""
    weekday = np.arange(days) % 7
    return EFFECT[weekday] + noise * np.random.default_rng(seed).standard_normal(days), weekday


def test_many_days_give_the_effects_and_fewer_days_less_of_them() -> None:
    size = []
    for days in (7, 14, 28, 2800):
        found = np.mean([weekday_effects(*levels(days, 0.1, seed))[0] for seed in range(20)], axis=0)
        size.append(float(found @ (EFFECT - EFFECT.mean()) / ((EFFECT - EFFECT.mean()) ** 2).sum()))
    assert size[0] == 0.0
    assert size[0] < size[1] < size[2] < size[3]
    assert size[3] == pytest.approx(1.0, abs=0.02)
    np.testing.assert_allclose(weekday_effects(*levels(2800, 0.1))[0], EFFECT - EFFECT.mean(), atol=0.02)


def test_effects_are_the_best_linear_predictions_by_hand() -> None:
    """Two groups of two and four: F = 56.9 against a quantile of 7.7086 at 1 and 4 degrees of freedom."""
    log_level, weekday = np.array([1.0, 1.5, -1.0, -0.5, -1.0, -0.5]), np.array([0, 0, 1, 1, 1, 1])
    noise = 0.375 / 4
    between = 4 * 2 / 6 * 2.0**2
    variance = (between / 7.7086 - noise) / (6 - 20 / 6)
    weight = 1.0 / (variance + noise / np.array([2, 4]))
    centre = (weight @ np.array([1.25, -0.75])) / weight.sum()
    effect, left = weekday_effects(log_level, weekday)
    np.testing.assert_allclose(effect[:2], variance * weight * (np.array([1.25, -0.75]) - centre), rtol=1e-4)
    np.testing.assert_allclose(left, variance - variance**2 * np.append(weight, np.zeros(5)), rtol=1e-4)
    assert not effect[2:].any()


def test_days_that_are_alike_hardly_ever_have_effects() -> None:
    rng = np.random.default_rng(1)
    weekday = np.arange(21) % 7
    found = sum(bool(weekday_effects(rng.standard_normal(21), weekday)[0].any()) for _ in range(400))
    assert 0.02 < found / 400 < 0.09


def test_dates_that_campaigns_share_are_one_day_and_undated_days_none() -> None:
    log_level, _ = levels(140, 0.05)
    date = FIRST_MONDAY + np.arange(140)
    level = np.ones((140, 5))
    level[:, TRAFFIC_LEVEL] = np.exp2(log_level)
    alone = fit_calendar(level, date)
    twice = fit_calendar(np.vstack([level, level, np.full((9, 5), 7.0)]), np.concatenate([date, date, [UNDATED] * 9]))
    assert alone is not None
    assert twice is not None
    np.testing.assert_allclose(alone.weekday, twice.weekday, atol=1e-12)
    assert fit_calendar(level, None) is None
    assert fit_calendar(np.ones((140, 5)), date) is None
    np.testing.assert_allclose(np.exp2(alone.weekday).mean(axis=0), 1.0)


CONFIG = SyntheticConfig(
    auctions_per_slot=40.0, log_auctions=40_000, day_traffic_std=0.05, weekly_curve=AVITO_WEEKLY_DEMAND
)


def test_a_forecast_knows_the_week_and_does_not_count_it_among_what_varies() -> None:
    market = SyntheticMarket(CONFIG, np.random.SeedSequence(5))
    days = market.days(np.random.default_rng(6).random((140, market.draws)))
    knows, plain = fit_forecast(market, days), fit_forecast(market, replace(days, date=None))
    assert plain.calendar is None
    assert knows.calendar is not None
    np.testing.assert_allclose(np.exp2(knows.calendar.weekday[:, TRAFFIC_LEVEL]), AVITO_WEEKLY_DEMAND, atol=0.04)
    assert not knows.calendar.weekday[:, :TRAFFIC_LEVEL].any()
    np.testing.assert_allclose(knows.auctions, 40.0, rtol=0.02)

    def day_std(history: np.ndarray) -> float:
        log_level = np.log2(history[None, :, :, TRAFFIC_LEVEL])
        spread = fit_spread(log_level, np.ones(log_level.shape[1:], np.bool_), market.level_slots)
        return float(np.sqrt(spread.day[0]) * np.log(2.0))

    assert day_std(knows.history) == pytest.approx(0.05, abs=0.015)
    assert day_std(plain.history) > 0.1
    assert knows.expected(days.date) is not None


def test_what_an_event_was_expected_to_do_is_taken_out_of_training_days() -> None:
    market = SyntheticMarket(CONFIG.model_copy(update={"weekly_curve": ()}), np.random.SeedSequence(5))
    days = market.days(np.random.default_rng(6).random((60, market.draws)))
    sale = NamedEvent.model_validate({"name": "sale", "from": "2026-11-27", "to": "2026-12-06", "traffic": 2.0})
    date = days_since_1970(sale.first) - 20 + np.arange(60)
    on = sale.covers(date)
    busy = replace(days, count=np.where(on[:, None], 2 * days.count, days.count), date=date)
    quiet, made = fit_forecast(market, days), fit_forecast(market, busy, events=(sale,))
    np.testing.assert_allclose(made.auctions, quiet.auctions, rtol=0.01)
    np.testing.assert_allclose(made.history[:, :, TRAFFIC_LEVEL], quiet.history[:, :, TRAFFIC_LEVEL], rtol=0.02)
    assert made.calendar is not None
    assert made.calendar.events == (sale,)
    assert on.sum() == 10
    assert weekday_of(date)[on].tolist()[0] == 4
