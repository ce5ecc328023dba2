"""Demand curves: what a day's arrivals say of the curve that it follows, against normal densities by SciPy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import multivariate_normal

from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.landscape.spread import Spread
from bidpilot.bidding.plan.demand import OTHER, UNLIKE, WIDER, DemandCurves, Doubts

DAY, BLOCK, SLOT = 0.02, 0.01, 0.04
SPREAD = Spread(*(np.array([v]) for v in (DAY, BLOCK, SLOT)))
USUAL = np.concatenate([np.full(12, 50.0), np.full(12, 150.0)])


@pytest.fixture
def forecast(even: Forecast) -> Forecast:
    """A day of 24 slots in blocks of 8, the second half three times as busy as the first."""
    return replace(
        even,
        auctions=USUAL,
        price_curve=np.ones(24),
        history=np.ones((3, 24, 5)),
        observed=np.ones((3, 24), np.bool_),
        level_slots=8,
    )


def cumulative(*days: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.cumsum(np.insert(np.stack(days, axis=1), 0, 0.0, axis=0), axis=0)


def test_weights_are_those_of_normal_levels_and_noise(forecast: Forecast) -> None:
    rng = np.random.default_rng(0)
    day, t = np.roll(USUAL, 6) * np.exp2(rng.normal(0.3, 0.2, 24)), 10  # two windows of four slots and one of two
    weight, level = DemandCurves(forecast, SPREAD).posterior(cumulative(day), t)
    windows = (slice(0, 4), slice(4, 8), slice(8, 10))
    noise = np.diag([3.0 * BLOCK + SLOT / n for n in (4, 4, 2)])
    curves = [USUAL, USUAL, *(np.roll(USUAL, 2 * k) for k in range(1, 12)), np.full(24, 100.0), 0.5 * (USUAL + 100.0)]
    prior = [(1 - OTHER) * (1 - UNLIKE), (1 - OTHER) * UNLIKE, *[OTHER / 13] * 13]
    variance = [DAY, *[DAY + WIDER] * 14]
    likely, means = [], []
    for curve, v in zip(curves, variance, strict=True):
        gap = np.array([np.log2(day[w].sum() / curve[w].sum()) for w in windows])
        likely.append(multivariate_normal(np.zeros(3), noise + v).pdf(gap))
        means.append(v * np.ones(3) @ np.linalg.solve(noise + v, gap))
    expected = np.array(prior) * likely
    np.testing.assert_allclose(weight[:, 0], expected / expected.sum(), rtol=1e-9)
    np.testing.assert_allclose(level[:, 0], means, rtol=1e-9)


def test_a_day_at_other_hours_is_found_out(forecast: Forecast) -> None:
    """The busy half comes first: after it few are to come, where the forecast's curve would have most still to come."""
    demand = DemandCurves(forecast, SPREAD)
    later, _ = demand.levels(cumulative(USUAL, np.roll(USUAL, 12)), 16)
    assert later[0] == pytest.approx(0.0, abs=0.01)
    assert later[1] == pytest.approx(np.log2(50.0 / 150.0), abs=0.15)


def test_a_busy_day_stays_busy_and_a_row_alone_does_what_it_does_among_others(forecast: Forecast) -> None:
    demand = DemandCurves(forecast, SPREAD)
    arrived = cumulative(USUAL, 2.0 * USUAL, 0.5 * USUAL)
    for t in (0, 1, 8, 11, 23, 24):
        later, rest = demand.levels(arrived, t)
        for row in range(3):
            alone = demand.levels(arrived[:, row : row + 1], t)
            assert (later[row], rest[row]) == (alone[0][0], alone[1][0])
    later, rest = demand.levels(arrived, 18)  # the rise at noon has told the curve
    np.testing.assert_allclose(later, [0.0, 1.0, -1.0], atol=0.1)
    np.testing.assert_allclose(rest, [0.0, 1.0, -1.0], atol=0.1)


def test_the_rest_of_a_block_follows_its_latest_slots(forecast: Forecast) -> None:
    """Traffic halves for the last three slots: by weights of a half for each slot back, 7/8 of an octave of 255/256."""
    day = USUAL.copy()
    day[8:11] *= 0.5
    demand = DemandCurves(forecast, SPREAD)
    arrived = cumulative(day)
    weights = 0.5 ** np.arange(8)
    latest = -weights[:3].sum() / weights.sum()
    assert demand._latest(arrived, 11)[0] == pytest.approx(latest)
    weight, level = demand.posterior(arrived, 11)
    curves = [USUAL, USUAL, *(np.roll(USUAL, 2 * k) for k in range(1, 12)), np.full(24, 100.0), 0.5 * (USUAL + 100.0)]
    rest, later = (np.array([c[part].sum() for c in curves]) for part in (slice(11, 16), slice(16, 24)))
    believed = [np.log2((weight[:, 0] * 2.0 ** level[:, 0] * s / s[0]).sum()) for s in (later, rest)]
    assert demand.levels(arrived, 11)[0][0] == pytest.approx(believed[0])
    assert demand.levels(arrived, 11)[1][0] == pytest.approx(0.5 * (believed[1] + latest))


def test_slots_that_the_forecast_expects_nothing_of_tell_nothing(forecast: Forecast) -> None:
    night = USUAL.copy()
    night[:4] = 0.0
    demand = DemandCurves(replace(forecast, auctions=night), SPREAD)
    later, rest = demand.levels(cumulative(night), 4)
    assert np.isfinite([later, rest]).all()
    assert demand._latest(cumulative(night), 4)[0] == 0.0


def test_without_doubt_only_the_forecasts_curve_and_its_own_spread_are_held(forecast: Forecast) -> None:
    day = cumulative(np.roll(USUAL, 12))
    for doubts, held in ((Doubts(other=0.0), 2), (Doubts(unlike=0.0), 14), (Doubts(0.0, 0.0), 1)):
        weight, _ = DemandCurves(forecast, SPREAD, doubts).posterior(day, 8)
        assert weight.shape == (held, 1)
        assert weight.sum() == pytest.approx(1.0)
    _, kept = DemandCurves(forecast, SPREAD, Doubts(recent=0.0)).levels(day, 14)
    _, drawn = DemandCurves(forecast, SPREAD).levels(day, 14)
    assert abs(kept[0] - drawn[0]) > 0.01
