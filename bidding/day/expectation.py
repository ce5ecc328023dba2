"""What the calendar expects of a day's levels, as the coefficients of its plan see them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.landscape.calendar import Expected
from bidpilot.bidding.landscape.forecast import PRICE_LEVEL, TRAFFIC_LEVEL
from bidpilot.bidding.plan.budget_plan import BudgetPlan


class Expectation(NamedTuple):
    """Of B days: log2 levels of value, price and traffic against the mean day, and their doubt; (3, B) each.

    The doubt is variance, octaves squared, on top of that between training days.
    """

    level: NDArray[np.float64]
    doubt: NDArray[np.float64]

    @classmethod
    def of(cls, expected: Expected | None, plan: BudgetPlan, index: NDArray[np.int64]) -> Expectation:
        """For rows that follow plans `index` (B,); None expects the mean day of every row.

        The level of value is that of the mean auction's at the plan's coefficients; its doubt is the KPIs' own by what
        they count for, as if they were sure to err together.
        """
        if expected is None:
            return cls(np.zeros((3, len(index))), np.zeros((3, len(index))))
        share = plan.mean_value[index] / plan.mean_value[index].sum(axis=1, keepdims=True)
        value = np.log2((share * np.exp2(expected.level[:, :3])).sum(axis=1))
        doubt = (share * np.sqrt(expected.variance[:, :3])).sum(axis=1) ** 2
        others = [PRICE_LEVEL, TRAFFIC_LEVEL]
        return cls(
            np.vstack([value, expected.level[:, others].T]),
            np.vstack([doubt, expected.variance[:, others].T]),
        )

    def ratio_quantiles(self, plan: BudgetPlan, index: NDArray[np.int64]) -> NDArray[np.float64]:
        """Quantiles (5, B) of log2 of value per price expected of the day, of rows that follow plans `index` (B,)."""
        value, price, _ = self.level
        expected: NDArray[np.float64] = plan.ratio_quantiles[index].T + (value - price)
        return expected
