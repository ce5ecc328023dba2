"""The levels that a synthetic day is made from, told apart by how long they last."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bidpilot.envs.synthetic import effects
from bidpilot.envs.synthetic.config import SyntheticConfig
from bidpilot.envs.synthetic.draws import DayDraws, Matrix

VALUE, PRICE, TRAFFIC = range(3)


class DayLevels(NamedTuple):
    """Levels of B days, 1 on average: value, price and traffic, in that order. Curves of the day are not in them.

    Those of single segments and sources, and what chance makes of a slot's arrivals, are left out too.
    """

    lasting: NDArray[np.float64]  # (3, B, T) the day's own, with its weekday and drift
    now: NDArray[np.float64]  # (3, B, T) of each slot, all effects together
    shock: NDArray[np.float64]  # (B, T) factor on traffic that stays once it has begun; part of `now`

    @classmethod
    def of(cls, config: SyntheticConfig, draws: DayDraws, uniforms: Matrix) -> DayLevels:
        """The levels of days made from `uniforms` (B, draws)."""
        value, price = effects.block_levels(config, draws, uniforms)
        day, drift = draws.normal(uniforms, "day"), draws.normal(uniforms, "drift")
        spreads = (
            (config.day_value_std, config.value_drift_std),
            (config.day_price_std, config.price_drift_std),
            (config.day_traffic_std, config.traffic_drift_std),
        )
        lasting = np.stack(
            [
                effects.mean_one(day[:, k : k + 1], own) * effects.drift(drift[:, k], slope, config.slots)
                for k, (own, slope) in enumerate(spreads)
            ]
        )
        lasting[TRAFFIC] *= effects.weekly(config, draws, uniforms)
        surge = effects.surge(config, draws, uniforms)
        traffic = effects.traffic(config, draws, uniforms)
        now = np.stack([value * lasting[VALUE], price * lasting[PRICE] * surge, traffic])
        return cls(lasting, now, effects.platform_shock(config, draws, uniforms))
