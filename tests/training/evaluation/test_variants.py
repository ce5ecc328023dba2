"""Rows of a baseline with the gains that tuning found, and with its defaults, beside the one it plays with."""

import numpy as np
import pytest

from bidpilot.agents.acting.agent import controller_agent
from bidpilot.agents.gains import found_gains, row_gains, tuned_gains
from bidpilot.bidding.errors import InvalidConfig
from bidpilot.envs.bidding_env.oracle import InformedReplanner
from bidpilot.training.evaluation.catalogue import SUITES
from bidpilot.training.evaluation.contestants import Contestant, check_gains
from bidpilot.training.evaluation.names import NEUTRAL, TUNED
from bidpilot.training.evaluation.suites import Suite, synthetic_suite


@pytest.fixture(scope="module")
def steady() -> Suite:
    return synthetic_suite(SUITES["steady"], 4, 0)


def test_each_row_plays_with_the_gains_that_its_name_says(steady: Suite) -> None:
    def ratio(name: str) -> list[float]:
        return [float(r) for r in Contestant(name).play(steady)[name].ratio]

    arena = steady.arena
    assert ratio("pid_tuned") == arena.play(controller_agent("pid", found_gains("steady")["pid"])).ratio.tolist()
    assert ratio("pid_neutral") == arena.play(controller_agent("pid")).ratio.tolist() != ratio("pid_tuned")
    assert ratio("pid") == arena.play(controller_agent("pid", tuned_gains("steady")["pid"])).ratio.tolist()
    assert ratio("constant_neutral") == arena.play_constant().ratio.tolist() != ratio("constant_tuned")


def test_the_controller_that_is_told_the_levels_is_neutral_whatever_gains_there_are(steady: Suite) -> None:
    other = {"mpc": {"gain": 0.5, "early": 0.1, "late": 0.0}}
    informed = Contestant("mpc_informed").play(Suite("s", other, steady.arena, steady.units))["mpc_informed"]
    np.testing.assert_array_equal(informed.ratio, steady.arena.play(controller_agent("mpc"), InformedReplanner).ratio)


def test_a_row_of_gains_that_nobody_found_is_refused() -> None:
    check_gains(("mpc", "pid_neutral", "mpc_tuned"), "daily", "daily")
    with pytest.raises(InvalidConfig, match="mpc_tuned plays with gains that tuning found, and nothing was tuned on x"):
        check_gains(("mpc", "mpc_tuned"), "no-such-market", "x")
    assert not row_gains("no-such-market")
    assert set(TUNED.values()) - set(NEUTRAL.values()) == {"mpc"}
