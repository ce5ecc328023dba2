"""The markets that policies train on: a preset's or a log's own days, and days drawn at random around them."""

from __future__ import annotations

import numpy as np

from bidpilot.envs.mixed import MixedMarket
from bidpilot.envs.presets import PRESETS
from bidpilot.envs.recombined import RecombinationConfig, RecombinedMarket
from bidpilot.envs.synthetic import SyntheticMarket
from bidpilot.envs.synthetic.config import SyntheticConfig

OWN_SHARE = 0.6
"""Share of days that are the preset's or the log's own."""
WORLDS = 64
"""Other markets, with equal shares of the rest."""
_WORLD_AUCTIONS = 40_000


def broad_market(name: str, seed: np.random.SeedSequence) -> MixedMarket:
    """Days of preset `name`, and of markets drawn around it: other levels, demand, dispersion, shocks and drifts."""
    own = PRESETS[name]
    draw, *seeds = seed.spawn(1 + WORLDS)
    rng = np.random.default_rng(draw)
    worlds = [SyntheticMarket(_drawn(own, rng), world) for world in seeds]
    shares = [OWN_SHARE, *([(1.0 - OWN_SHARE) / WORLDS] * WORLDS)]
    return MixedMarket([SyntheticMarket(own, seed), *worlds], shares)


def broad_replay(own: RecombinedMarket) -> MixedMarket:
    """Recombined days of a log, and the same with more variation between days and blocks than was recorded."""
    wide = RecombinationConfig(
        level_slots=own.config.level_slots,
        traffic_slots=own.config.traffic_slots,
        sigma_day=max(own.levels.day_value_sigma, 0.4),
        sigma_price=max(own.levels.day_price_sigma, 0.3),
        sigma_traffic=max(own.levels.day_traffic_sigma, 0.25),
        value_breadth=1.25,
        sigma_budget=0.5,
    )
    return MixedMarket([own, RecombinedMarket(own.log, wide)], [OWN_SHARE, 1.0 - OWN_SHARE])


def _drawn(own: SyntheticConfig, rng: np.random.Generator) -> SyntheticConfig:
    """A market around `own`: its dispersions and levels times random factors, its demand moved in time."""

    def times(value: float, spread: float) -> float:
        return value * float(np.exp(spread * rng.standard_normal()))

    demand = np.roll(own.demand_curve, rng.integers(len(own.demand_curve)))
    return own.model_copy(
        update={
            "log_auctions": _WORLD_AUCTIONS,
            "price_level": times(own.price_level, 0.25),
            "price_log_std": times(own.price_log_std, 0.15),
            "conversion_log_std": times(own.conversion_log_std, 0.2),
            "demand_curve": tuple(float(x) for x in demand[:: rng.choice((-1, 1))]),
            "day_value_std": max(own.day_value_std, 0.25),
            "day_price_std": max(own.day_price_std, 0.25),
            "day_traffic_std": max(own.day_traffic_std, 0.25),
            "value_drift_std": 0.2,
            "price_drift_std": 0.2,
            "traffic_drift_std": 0.2,
            "calibration_std": (0.0, 0.15, 0.15),
            "block_price_std": float(rng.uniform(0.5, 1.8)) * own.block_price_std,
            "platform_shock_probability": 0.3,
            "surge_probability": 0.15,
            "invalid_burst_probability": 0.15,
        }
    )
