"""The reserve: what is held back for contingencies, day by day.

After day d of D the part `reserve * (1 - d / D)` of the budget is kept beyond what later days need to spend at
that day's level, so that a bad day may draw on it and later days keep their level. It falls to nothing on the
last day, when all is spent. What a day took beyond its plan has been drawn from the reserve and is not saved again.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bidpilot.solvers.portfolio.config import Portfolio


def full_reserve(portfolio: Portfolio) -> NDArray[np.float64]:
    """(D,) currency held after each day where nothing was drawn; the last is 0."""
    days = np.arange(1, portfolio.days + 1)
    held: NDArray[np.float64] = portfolio.reserve * portfolio.budget * (1.0 - days / portfolio.days)
    return held


def planned_spend(portfolio: Portfolio) -> NDArray[np.float64]:
    """(D + 1,) cumulative spend, currency, when every day is as planned: one level for all days left, reserve apart."""
    traffic, held = portfolio.traffic, full_reserve(portfolio)
    spent = np.zeros(portfolio.days + 1)
    for d in range(portfolio.days):
        free = max(portfolio.budget - spent[d] - held[d], 0.0)
        spent[d + 1] = spent[d] + free * traffic[d] / traffic[d:].sum()
    return spent


def reserve_left(portfolio: Portfolio, spent: float, day: int, release: bool) -> NDArray[np.float64]:
    """(D - day,) currency held after each day from `day` (0 is the first) on, `spent` currency being gone."""
    if release:
        return np.zeros(portfolio.days - day)
    drawn = max(spent - float(planned_spend(portfolio)[day]), 0.0)
    return np.clip(full_reserve(portfolio)[day:] - drawn, 0.0, portfolio.budget - spent)
