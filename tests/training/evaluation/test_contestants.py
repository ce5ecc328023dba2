"""Names become agents; several training runs become one agent with a row per seed."""

import numpy as np
import pytest

from bidpilot.agents.acting.network import Mlp
from bidpilot.agents.acting.policy import NetworkPolicy
from bidpilot.bidding.day.features import feature_names
from bidpilot.bidding.errors import PolicyMismatch, RunNotFound, UnknownAgent, UnknownLaw
from bidpilot.training.evaluation.contestants import Contestant, check_law_known, find_contestants
from bidpilot.training.evaluation.names import ALL_AGENTS
from bidpilot.training.evaluation.suites import Suite


def policy(scale: float, segments: int = 8) -> NetworkPolicy:
    """A network that always multiplies the plan's bids by exp(1.5 scale)."""
    bias = np.zeros(3 + segments, np.float32)
    bias[0] = scale
    weight = np.zeros((len(feature_names(segments)), 3 + segments), np.float32)
    return NetworkPolicy(Mlp((weight,), (bias,)))


def test_both_reference_controllers_are_always_played_and_nobody_twice() -> None:
    assert [p.name for p in find_contestants(("plan", "plan"), "bidpilot")] == ["mpc", "mpc_informed", "plan"]
    assert [p.name for p in find_contestants(("plan", "mpc"), "bidpilot")] == ["mpc_informed", "plan", "mpc"]


@pytest.mark.parametrize("name", ["nobody", "mpc@1234", "@", ""])
def test_a_name_that_is_no_agents_is_refused_with_those_that_are(name: str) -> None:
    with pytest.raises(UnknownAgent, match=ALL_AGENTS[0]):
        find_contestants((name,), "bidpilot")


@pytest.mark.parametrize("name", ["ppo", "ppo@", "ppo@0123,"])
def test_a_run_that_is_not_there_is_a_named_error(name: str) -> None:
    with pytest.raises(RunNotFound):
        find_contestants((name,), "bidpilot")


def test_an_agent_over_seeds_has_a_row_per_run_and_one_for_all(suite: Suite) -> None:
    contestant = Contestant("ppo@a,b", {"ppo@a": policy(0.0), "ppo@b": policy(0.1)}, ("a", "b"))
    assert contestant.seeds == 2
    rows = contestant.play(suite)
    assert list(rows) == ["ppo@a", "ppo@b", "ppo@a,b"]
    np.testing.assert_allclose(rows["ppo@a,b"].ratio, (rows["ppo@a"].ratio + rows["ppo@b"].ratio) / 2)
    plan = Contestant("plan").play(suite)["plan"]
    np.testing.assert_array_equal(rows["ppo@a"].ratio, plan.ratio)


def test_one_run_has_one_row_under_the_name_that_was_typed(suite: Suite) -> None:
    assert list(Contestant("ppo", {"ppo": policy(0.0)}, ("a",)).play(suite)) == ["ppo"]


def test_a_policy_of_other_segments_is_refused_by_name(suite: Suite) -> None:
    with pytest.raises(PolicyMismatch, match="ppo@a cannot play small"):
        Contestant("ppo@a", {"ppo@a": policy(0.0, segments=2)}, ("a",)).play(suite)


def test_the_law_of_recorded_days_is_not_known() -> None:
    check_law_known(["mpc"], "log")
    with pytest.raises(UnknownLaw, match="recorded days of log"):
        check_law_known(["mpc", "knowable"], "log")


def test_the_informed_controller_knows_what_the_other_does_not(suite: Suite) -> None:
    informed, blind = (Contestant(name).play(suite)[name].ratio.mean() for name in ("mpc_informed", "mpc"))
    assert informed > blind
