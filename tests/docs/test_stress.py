"""Rows of the stress markets: each market's differences, their intervals together, and the mean of all."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

from bidpilot.envs.markets.presets import DAILY
from tests.scripts import script


@pytest.fixture(scope="module")
def stress() -> ModuleType:
    return script("docs/stress.py")


def test_each_market_differs_from_daily_by_what_its_name_says_and_is_played_under_its_forecast(
    stress: ModuleType,
) -> None:
    for name, changes in stress.CHANGES.items():
        record = stress.record(name)
        assert record.forecast == DAILY
        plain, changed = DAILY.model_dump(), record.market.model_dump()
        assert {key for key in plain if plain[key] != changed[key]} == set(changes)
    assert len(stress.CHANGES) == 9


def test_nine_intervals_hold_together(stress: ModuleType) -> None:
    """Each leaves out 5 % / 9: the normal distribution's 0.99722 quantile is 2.773."""
    draws = np.random.default_rng(0).standard_normal((9, 64))
    rows = stress.rows_of({f"m{k}": {"a": gap} for k, gap in enumerate(draws)}, 0)[:9]
    for row, gap in zip(rows, draws, strict=True):
        error = gap.std(ddof=1) / 8.0
        assert row["together_high"] - row["diff"] == pytest.approx(2.773 * error, rel=1e-3)
        assert row["diff"] - row["together_low"] == pytest.approx(2.773 * error, rel=1e-3)
        assert row["together_low"] < row["diff_low"] < row["diff_high"] < row["together_high"]


def test_the_mean_over_all_markets_weighs_them_alike(stress: ModuleType) -> None:
    gaps = {"x": {"a": np.full(8, 0.1)}, "y": {"a": np.full(8, 0.3)}}
    (row,) = [row for row in stress.rows_of(gaps, 0) if row["suite"] == stress.ALL]
    assert row["diff"] == pytest.approx(0.2)
