"""Rows: the gap between the reference controllers, and pairs."""

from dataclasses import replace

import numpy as np
import pytest

from bidpilot.training.evaluation.play import Outcome
from bidpilot.training.evaluation.rows import agent_rows, gap_closed, pair_rows
from bidpilot.training.evaluation.suites import Suite


def outcome(ratio: float, days: int = 12) -> Outcome:
    each = np.full(days, ratio)
    zero = np.zeros(days)
    return Outcome(each, each, np.zeros((days, 49)), zero, zero, zero, np.zeros((days, 3)), each)


def test_the_share_of_the_gap_is_0_for_the_controller_and_1_for_the_one_told_the_future() -> None:
    outcomes = {"mpc": outcome(0.90), "mpc_informed": outcome(0.98), "ppo": outcome(0.92), "plan": outcome(0.86)}
    shares = {name: gap_closed(o, outcomes) for name, o in outcomes.items()}
    assert shares == {
        "mpc": 0.0,
        "mpc_informed": pytest.approx(1.0),
        "ppo": pytest.approx(0.25),
        "plan": pytest.approx(-0.5),
    }


@pytest.mark.parametrize("informed", [0.9019, 0.90, 0.80])
def test_no_share_is_told_of_a_gap_that_is_hardly_there(informed: float) -> None:
    assert gap_closed(outcome(0.95), {"mpc": outcome(0.90), "mpc_informed": outcome(informed)}) is None


def test_a_row_says_what_its_days_are(suite: Suite) -> None:
    few = replace(outcome(0.9), violated=np.array([1.0, 0.5] + [0.0] * 10), roughness=np.full(12, 0.3))
    outcomes = {"mpc": outcome(0.8), "mpc_informed": outcome(1.0), "ppo": few}
    row = agent_rows(suite, outcomes, {"ppo": 3}, 0)[2]
    assert (row["agent"], row["suite"], row["seeds"], row["days"], row["constant_rule"]) == (
        "ppo",
        "small",
        3,
        12,
        None,
    )
    assert row["gap_closed"] == pytest.approx(0.5)
    assert row["violation_rate"] == pytest.approx(0.125)
    assert row["roughness"] == pytest.approx(0.3)
    assert row["ci_low"] == row["iqm"] == row["ci_high"] == pytest.approx(0.9)


def test_pairs_take_the_days_noise_out(suite: Suite) -> None:
    noisy = outcome(0.0)
    noisy.ratio[:] = np.random.default_rng(0).random(12)
    (pair,) = pair_rows(suite, {"mpc": noisy, "ppo": replace(noisy, ratio=noisy.ratio + 0.01)}, 0)
    assert (pair["agent"], pair["against"]) == ("ppo", "mpc")
    assert pair["diff_low"] == pytest.approx(0.01)
    assert pair["diff_high"] == pytest.approx(0.01)
