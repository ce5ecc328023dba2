"""A small market to play experiments on, and units of two arms."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from bidpilot.training.evaluation.catalogue import SuiteRecord
from bidpilot.training.experiments import ground
from bidpilot.training.experiments.play import Ground
from bidpilot.training.experiments.units import Units
from tests.training.evaluation.conftest import CAMPAIGN, SMALL

RECORD = SuiteRecord("small", "nothing", SMALL, SMALL, (CAMPAIGN,))


@pytest.fixture(scope="session")
def small() -> Ground:
    return Ground.of(RECORD)


@pytest.fixture
def _small_suite(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ground, "named_suites", lambda names: [RECORD])


def units_of(count: int = 40, effect: float = 0.0, seed: int = 0, noise: float = 0.02, **changes: object) -> Units:
    """Units of two arms that share days, the treated with this effect on what it brings."""
    rng = np.random.default_rng(seed)
    day = np.exp(0.2 * rng.normal(size=(count, 1)))
    lift = np.array([1.0, 1.0 + effect])
    level = day * np.exp(noise * rng.normal(size=(count, 2))) * lift
    columns: dict[str, object] = {
        "arms": ("a", "b"),
        "labels": tuple(f"day {k}" for k in range(count)),
        "assigned": rng.binomial(9600, 0.5, (count, 1)) * np.array([1, -1]) + np.array([0, 9600]),
        "spend": np.full((count, 2), 20.0),
        "wins": np.full((count, 2), 500.0),
        "invalid_wins": rng.poisson(10.0, (count, 2)),
        "expected": level[..., None] * np.array([500.0, 200.0, 6.0]),
        "realised": rng.poisson(level[..., None] * np.array([500.0, 200.0, 6.0])),
        "offered": np.exp(0.02 * rng.normal(size=(count, 2, 5))) * day[..., None],
    }
    columns = {name: value.astype(float) if isinstance(value, np.ndarray) else value for name, value in columns.items()}
    return Units(**(columns | changes))  # type: ignore[arg-type]


MakeUnits = Callable[..., Units]


@pytest.fixture
def make_units() -> MakeUnits:
    return units_of
