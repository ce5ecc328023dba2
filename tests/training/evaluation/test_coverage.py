"""How often the intervals hold the truth, by a small size of `make intervals`."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

from bidpilot.training.evaluation.statistics import FEW, interval
from tests.scripts import script

DRAWS = 600
FOUR_ERRORS = 4 * (0.95 * 0.05 / DRAWS) ** 0.5  # of a share of draws: one run in 16,000 lies further off
pytestmark = pytest.mark.simulation


@pytest.fixture(scope="module")
def simulation() -> ModuleType:
    return script("benchmarks/intervals.py")


@pytest.mark.parametrize("units", [3, 4, 8, 20])
@pytest.mark.parametrize("days", [1, 4])
def test_the_mean_of_few_normal_units_is_covered_as_often_as_said(
    simulation: ModuleType, units: int, days: int
) -> None:
    shipped, resampled = simulation.coverage(simulation.Cell("normal", units, days, 0.0), DRAWS)
    assert abs(shipped - 0.95) < FOUR_ERRORS  # exact but for draws: t of unit means
    assert resampled < shipped


@pytest.mark.parametrize("law", ["normal", "heavy", "skewed"])
@pytest.mark.parametrize(("units", "days", "trim"), [(3, 1, 0.25), (5, 1, 0.25), (5, 4, 0.25), (10, 4, 0.0)])
def test_other_laws_and_the_interquartile_mean_are_covered_by_little_less_at_worst(
    simulation: ModuleType, law: str, units: int, days: int, trim: float
) -> None:
    shipped, resampled = simulation.coverage(simulation.Cell(law, units, days, trim), DRAWS)
    assert shipped > 0.92 - FOUR_ERRORS
    assert resampled < 0.95 - FOUR_ERRORS  # what few units are not resampled for


@pytest.mark.parametrize("law", ["normal", "heavy", "skewed"])
def test_from_where_units_are_resampled_that_covers_enough(simulation: ModuleType, law: str) -> None:
    shipped, resampled = simulation.coverage(simulation.Cell(law, FEW, 1, 0.0), DRAWS)
    assert shipped == resampled > 0.92 - FOUR_ERRORS


@pytest.mark.parametrize("trim", [0.0, 0.25])
@pytest.mark.parametrize("days", [1, 4])
def test_what_is_simulated_at_once_is_the_shipped_interval(simulation: ModuleType, trim: float, days: int) -> None:
    cell = simulation.Cell("skewed", FEW, days, trim)
    values, units = cell.draw(3, np.random.default_rng(5)), np.repeat(np.arange(FEW), days)
    for row, found in zip(values, simulation.bootstrap(values, cell, resamples=2000), strict=True):
        assert interval(row, units, np.random.default_rng(simulation.SEED), trim) == pytest.approx(found, abs=1e-12)
