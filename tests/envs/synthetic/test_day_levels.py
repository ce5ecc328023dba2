"""Levels that references are told are those that days are made from."""

import numpy as np

from bidpilot.envs.markets.presets import SHIFT
from bidpilot.envs.synthetic import SyntheticConfig, SyntheticMarket
from bidpilot.envs.synthetic.day_levels import PRICE, TRAFFIC, VALUE

CONFIG = SyntheticConfig.model_validate(
    SHIFT.model_dump()
    | {
        "auctions_per_slot": 100.0,
        "log_auctions": 40_000,
        "arrival_noise": 0.0,
        "value_drift_std": 0.5,
        "price_drift_std": 0.3,
        "surge_probability": 0.5,
        "platform_shock_probability": 1.0,
        "weekly_curve": (1.2, 1.1, 1.0, 1.0, 1.0, 0.9, 0.8),
    }
)


def test_levels_times_the_curves_are_the_days() -> None:
    market = SyntheticMarket(CONFIG, np.random.SeedSequence(3))
    uniforms = np.random.default_rng(4).random((20, market.draws))
    days, levels = market.days(uniforms), market.levels(uniforms)
    np.testing.assert_allclose(days.value_scale[:, :, 0], levels.now[VALUE], rtol=1e-6)
    np.testing.assert_allclose(days.price_scale[:, :, 0], levels.now[PRICE] * market.price_curve, rtol=1e-6)
    assert np.abs(days.count - levels.now[TRAFFIC] * market.demand).max() <= 0.5


def test_what_lasts_is_told_apart_from_what_blocks_bring() -> None:
    market = SyntheticMarket(CONFIG, np.random.SeedSequence(3))
    levels = market.levels(np.random.default_rng(4).random((20, market.draws)))
    block = (levels.now / levels.lasting)[VALUE].reshape(20, 6, 8)
    np.testing.assert_allclose(block, np.repeat(block[:, :, :1], 8, axis=2))
    drift = np.log(levels.lasting[VALUE])
    np.testing.assert_allclose(np.diff(drift, n=2, axis=1), 0.0, atol=1e-12)
    calm = (levels.now / levels.lasting)[TRAFFIC] / levels.shock
    np.testing.assert_allclose(calm.reshape(20, 12, 4), np.repeat(calm[:, ::4, None], 4, axis=2))
    assert ((levels.shock == 1.0) | ((levels.shock >= 0.5) & (levels.shock <= 0.7))).all()
