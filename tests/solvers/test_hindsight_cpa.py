"""The score with a target of cost, as the hindsight optimum counts it, in numbers."""

from __future__ import annotations

import numpy as np
import pytest

from bidpilot.solvers.hindsight_cpa import Target


class Flat:
    """An objective that values every point alike."""

    def value(self, point: np.ndarray) -> float:
        return 0.8


@pytest.mark.parametrize(
    ("spend", "conversions", "score"),
    [
        (40.0, 20.0, 0.8),  # just at the target of 2
        (80.0, 20.0, 0.2),  # twice the target leaves a quarter
        (120.0, 20.0, 0.8 / 9),
        (40.0, 0.0, 0.0),
    ],
)
def test_twice_the_target_leaves_a_quarter(spend: float, conversions: float, score: float) -> None:
    target = Target(kappa=2.0, ceiling=0.0)
    got = target.score(Flat(), np.array([0.0, 0.0, conversions]), spend)  # type: ignore[arg-type]
    assert got == pytest.approx(score)
