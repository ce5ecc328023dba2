"""Rows of a limit: the bound beside each agent that was played on the same days."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from bidpilot.training.evaluation.statistics import NO_INTERVAL, interval
from bidpilot.training.limit.bound import DayLimits
from bidpilot.training.report.limit import LimitRow


def limit_rows(suite: str, limits: DayLimits, ratios: Mapping[str, NDArray[np.float64]], seed: int) -> list[LimitRow]:
    """A row for each agent, by what it has (D,) and the limits of the same days."""
    return [_limit_row(suite, agent, ratio, limits, seed) for agent, ratio in ratios.items()]


def _limit_row(suite: str, agent: str, ratio: NDArray[np.float64], limits: DayLimits, seed: int) -> LimitRow:
    # What an agent has less its penalty has the same mean and hardly any luck of the day.
    room, penalty = limits.bound - limits.penalised[agent], limits.penalty[agent]
    bound_low, bound_high = _interval(limits.bound, seed)
    mean_low, mean_high = _interval(ratio, seed)
    room_low, room_high = _interval(room, seed)
    penalty_low, penalty_high = _interval(penalty, seed)
    return LimitRow(
        suite=suite,
        agent=agent,
        bound=float(limits.bound.mean()),
        bound_low=bound_low,
        bound_high=bound_high,
        mean=float(ratio.mean()),
        mean_low=mean_low,
        mean_high=mean_high,
        room=float(room.mean()),
        room_low=room_low,
        room_high=room_high,
        penalty=float(penalty.mean()),
        penalty_low=penalty_low,
        penalty_high=penalty_high,
        days=len(ratio),
    )


def _interval(values: NDArray[np.float64], seed: int) -> tuple[float, float] | tuple[None, None]:
    return interval(values, np.arange(len(values)), np.random.default_rng(seed), trim=0.0) or NO_INTERVAL
