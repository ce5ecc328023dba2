"""The users' headline case: more quality exposure from the same money, half of it on long-tail content."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

from tests.scripts import script


@pytest.fixture(scope="module")
def example() -> ModuleType:
    return script("examples/quality_exposure.py")


def test_the_plan_reaches_95_percent_of_the_constrained_optimum_on_200_held_out_days(example: ModuleType) -> None:
    result = example.compare(200)
    share = result.plan.quality_exposures / result.optimum
    assert share.mean() >= 0.95
    assert (result.replan.quality_exposures / result.optimum).mean() > share.mean()
    for side in (result.plan, result.replan):
        assert side.tail.sum() / (side.head.sum() + side.tail.sum()) >= 0.5
        assert (side.spend <= 40.0).all()
        assert example.gain(side, result.constant)[1] > 0.0  # the lower end of the interval
    share = result.replan.tail / (result.replan.head + result.replan.tail)
    assert np.quantile(share, 0.05) > 0.49


def test_the_rows_are_means_over_days(example: ModuleType) -> None:
    def side(exposures: float, head: float, tail: float) -> object:
        days = [np.array([value, 2 * value, 3 * value]) for value in (exposures, 10.0, head, tail, 20.0)]
        return example.Side(*days)

    result = example.Comparison(
        side(10.0, 3.0, 1.0), side(15.0, 1.0, 1.0), side(20.0, 1.0, 2.0), np.array([20.0, 40.0, 60.0])
    )
    constant, plan, replan = example.rows(result)
    assert [row["quality_exposures"] for row in (constant, plan, replan)] == [20.0, 30.0, 40.0]
    assert [row["gain"] for row in (constant, plan, replan)] == [0.0, 0.5, 1.0]
    assert [row["head_per_tail"] for row in (constant, plan, replan)] == [3.0, 1.0, 0.5]
    assert [row["of_optimum"] for row in (constant, plan, replan)] == [0.5, 0.75, 1.0]
    assert (plan["quality"], plan["spend"], plan["days"]) == (20.0, 40.0, 3)
