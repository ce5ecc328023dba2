"""The market that policies train on: the preset's days, and days with shocks, drifts and levels that it lacks."""

from __future__ import annotations

import numpy as np

from bidpilot.envs.mixed import MixedMarket
from bidpilot.envs.presets import PRESETS
from bidpilot.envs.synthetic import SyntheticMarket

OWN_SHARE = 0.6
"""Share of days that are the preset's own."""


def broad_market(name: str, seed: np.random.SeedSequence) -> MixedMarket:
    """Days of preset `name`, and of the same with more variation than it has."""
    own = PRESETS[name]
    wide = own.model_copy(
        update={
            "day_value_std": max(own.day_value_std, 0.35),
            "day_price_std": max(own.day_price_std, 0.45),
            "day_traffic_std": max(own.day_traffic_std, 0.3),
            "value_drift_std": 0.2,
            "price_drift_std": 0.2,
            "traffic_drift_std": 0.2,
            "calibration_std": (0.0, 0.15, 0.15),
            "platform_shock_probability": 0.25,
            "surge_probability": 0.15,
            "invalid_burst_probability": 0.15,
        }
    )
    return MixedMarket([SyntheticMarket(own, seed), SyntheticMarket(wide, seed)], [OWN_SHARE, 1.0 - OWN_SHARE])
