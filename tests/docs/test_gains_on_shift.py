"""Gains for `shift` are chosen by what they reach, and compared by day."""

from __future__ import annotations

from types import ModuleType

import pytest

from bidpilot.agents.acting.agent import controller_agent
from bidpilot.training.evaluation.catalogue import SUITES
from bidpilot.training.evaluation.suites import synthetic_suite
from tests.scripts import script


@pytest.fixture(scope="module")
def gains_on_shift() -> ModuleType:
    return script("docs/gains_on_shift.py")


def test_gains_are_chosen_by_what_they_reach_and_compared_by_day(gains_on_shift: ModuleType) -> None:
    suite = synthetic_suite(SUITES["steady"], 8, 1)
    neutral, wild = {"gain": 1.0, "early": 0.0, "late": 0.0}, {"gain": 1.0, "early": -3.0, "late": -3.0}
    assert gains_on_shift.choose(suite, (wild, neutral)) == neutral
    rows = gains_on_shift.compare(wild, "plan", suite)
    (pair,) = [row for row in rows if (row["agent"], row.get("against")) == ("plan", "mpc_chosen")]
    plan, chosen = (suite.arena.play(controller_agent(*asked)).ratio for asked in (("plan", None), ("mpc", wild)))
    assert pair["diff"] == pytest.approx((plan - chosen).mean(), abs=1e-12)
