"""The market that policies train on: the preset's days, and days of markets drawn at random around it."""

from __future__ import annotations

import numpy as np

from bidpilot.envs.markets.mixed import MixedMarket
from bidpilot.envs.markets.presets import PRESETS
from bidpilot.envs.synthetic import SyntheticMarket
from bidpilot.envs.synthetic.config import SyntheticConfig

OWN_SHARE = 0.6
"""Share of days that are the preset's own."""
WORLDS = 64
"""Other markets, with equal shares of the rest."""
_WORLD_AUCTIONS = 40_000


def broad_market(name: str, seed: np.random.SeedSequence) -> MixedMarket:
    """Days of preset `name`, and of markets drawn around it: other levels, demand, dispersion, shocks and drifts."""
    own = PRESETS[name]
    draw, *seeds = (np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, k)) for k in range(1 + WORLDS))
    rng = np.random.default_rng(draw)
    worlds = [SyntheticMarket(_drawn(own, rng), world) for world in seeds]
    shares = [OWN_SHARE, *([(1.0 - OWN_SHARE) / WORLDS] * WORLDS)]
    return MixedMarket([SyntheticMarket(own, seed), *worlds], shares)


def _drawn(own: SyntheticConfig, rng: np.random.Generator) -> SyntheticConfig:
    """A market around `own`: its dispersions and levels times random factors, its demand moved by up to an eighth day.

    The factors end below those of `SHIFT`, and the demand is never mirrored: what that suite plays stays unseen.
    """

    def times(value: float, spread: float, most: float) -> float:
        return value * min(float(np.exp(spread * rng.standard_normal())), most)

    eighth = len(own.demand_curve) // 8
    demand = np.roll(own.demand_curve, rng.integers(-eighth, eighth + 1))
    return own.model_copy(
        update={
            "log_auctions": _WORLD_AUCTIONS,
            "price_level": times(own.price_level, 0.25, 1.2),
            "price_log_std": times(own.price_log_std, 0.15, 1.1),
            "conversion_log_std": times(own.conversion_log_std, 0.2, 1.15),
            "demand_curve": tuple(float(x) for x in demand),
            "day_value_std": max(own.day_value_std, 0.25),
            "day_price_std": max(own.day_price_std, 0.25),
            "day_traffic_std": max(own.day_traffic_std, 0.25),
            "value_drift_std": 0.2,
            "price_drift_std": 0.2,
            "traffic_drift_std": 0.2,
            "calibration_std": (0.0, 0.15, 0.15),
            "block_price_std": float(rng.uniform(0.5, 1.3)) * own.block_price_std,
            "platform_shock_probability": 0.3,
            "surge_probability": 0.15,
            "invalid_burst_probability": 0.15,
        }
    )
