"""Integrated gradients: shares add up, follow the closed form where there is one, and ignore what does not matter."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bidpilot.agents.acting.agent import AgentDay, controller_agent
from bidpilot.agents.acting.network import Mlp
from bidpilot.agents.acting.policy import NetworkPolicy
from bidpilot.agents.acting.residual import RESIDUAL, RESIDUAL_REACH
from bidpilot.bidding.day.features import FEATURES, POSITION, bounds, feature_names
from bidpilot.training.explain.function import ControllerDecision, PolicyDecision
from bidpilot.training.explain.gradients import integrated_gradients

SEGMENTS = 2
NAMES = feature_names(SEGMENTS)
F, A = len(NAMES), 3 + SEGMENTS
Array = NDArray[np.float64]


def network(seed: int, residual: bool, reach: float = 1.0) -> NetworkPolicy:
    """A tanh network whose outputs spread about `reach`, so that some are clipped where it is above 1."""
    rng, sizes = np.random.default_rng(seed), (F, 12, 7, A)
    weights = [rng.normal(0, 1.5 / np.sqrt(n), (n, m)).astype(np.float32) for n, m in pairwise(sizes)]
    weights[-1] *= np.float32(reach)
    biases = tuple(rng.normal(0, 0.3, m).astype(np.float32) for m in sizes[1:])
    return NetworkPolicy(Mlp(tuple(weights), biases), RESIDUAL if residual else None)


def linear(weight: dict[tuple[str, int], float], residual: bool = False) -> NetworkPolicy:
    """A policy without a hidden layer: entry a of the network is the sum of `weight[name, a]` times the feature."""
    matrix = np.zeros((F, A), np.float32)
    for (name, a), value in weight.items():
        matrix[POSITION[name], a] = value
    return NetworkPolicy(Mlp((matrix,), (np.zeros(A, np.float32),)), RESIDUAL if residual else None)


def two_observations(seed: int) -> tuple[Array, Array]:
    low, high = bounds(SEGMENTS)
    first, second = np.random.default_rng(seed).uniform(low, high, (2, F)).astype(np.float32).astype(np.float64)
    return first, second


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000), residual=st.booleans(), reach=st.sampled_from([0.2, 1.0, 5.0]))
def test_shares_add_up_to_the_difference_of_the_actions(seed: int, residual: bool, reach: float) -> None:
    policy = network(seed, residual, reach)
    x, b = two_observations(seed)
    shares = integrated_gradients(PolicyDecision(policy, {}), x, b)
    there, here = (AgentDay(policy, 1, SEGMENTS).act(o[None].astype(np.float32))[0] for o in (x, b))
    np.testing.assert_allclose(shares.sum(axis=(0, 2)), there - here, atol=1e-4)


@pytest.mark.parametrize("residual", [False, True])
def test_the_gradient_is_the_networks_own(residual: bool) -> None:
    decision = PolicyDecision(network(3, residual), {})
    x, _ = two_observations(1)
    gradient = decision.gradient(x[None], np.arange(F)).sum(axis=0)[0]
    step = 1e-6 * np.eye(F)
    numeric = (decision.value(x + step) - decision.value(x - step)).T / 2e-6
    np.testing.assert_allclose(gradient, numeric, atol=1e-7)
    assert np.abs(gradient).max() > 0.01


def test_of_a_linear_policy_a_share_is_weight_times_distance() -> None:
    policy = linear({("pace_gap", 0): 2.0, ("value_day", 0): -0.5, ("value_day", 2): 0.25})
    b = np.zeros(F)
    x = b.copy()
    x[[POSITION["pace_gap"], POSITION["value_day"], POSITION["win_rate"]]] = [0.1, 0.4, 0.9]
    (shares,) = integrated_gradients(PolicyDecision(policy, {}), x, b)
    expected = np.zeros((A, F))
    expected[0, POSITION["pace_gap"]], expected[0, POSITION["value_day"]] = 0.2, -0.2
    expected[2, POSITION["value_day"]] = 0.1
    np.testing.assert_allclose(shares, expected, atol=1e-7)  # a win rate that no weight reads has no share


@pytest.mark.parametrize("residual", [False, True])
def test_a_policy_of_some_features_in_its_own_order_is_explained_by_the_whole_observation(residual: bool) -> None:
    weight = np.zeros((2, A), np.float32)
    weight[0, 0], weight[1, 2] = 2.0, -0.5  # of the pace gap, of the value
    network = Mlp((weight,), (np.zeros(A, np.float32),))
    policy = NetworkPolicy(network, RESIDUAL if residual else None, ("pace_gap", "traffic_day"))
    b, x = np.zeros(F), np.full(F, 0.1)
    x[[POSITION["pace_gap"], POSITION["traffic_day"]]] = 0.2, 0.4
    slope = PolicyDecision(policy, {}).gradient(x[None], np.arange(F))[0, 0]
    assert [tuple(at) for at in np.argwhere(slope)] == [(0, POSITION["pace_gap"]), (2, POSITION["traffic_day"])]
    own, *base = integrated_gradients(PolicyDecision(policy, {}), x, b)
    expected, reach = np.zeros((A, F)), RESIDUAL_REACH if residual else 1.0
    expected[0, POSITION["pace_gap"]], expected[2, POSITION["traffic_day"]] = 0.4 * reach, -0.2 * reach
    np.testing.assert_allclose(own, expected, atol=1e-6)
    assert PolicyDecision(policy, {}).inputs == NAMES
    assert [part[0, POSITION["replan"]] for part in base] == [pytest.approx(0.1)] * residual


def test_beyond_the_reach_of_the_action_nothing_is_credited() -> None:
    b = np.zeros(F)
    x = b.copy()
    x[POSITION["pace_gap"]] = 0.8
    (shares,) = integrated_gradients(PolicyDecision(linear({("pace_gap", 0): 5.0}), {}), x, b)
    assert shares[0, POSITION["pace_gap"]] == pytest.approx(1.0, abs=1e-6)


def test_of_a_residual_policy_network_and_replan_stand_apart() -> None:
    b = np.zeros(F)
    x = b.copy()
    x[[POSITION["pace_gap"], POSITION["replan"], len(FEATURES) + 1]] = [0.1, 0.5, -0.25]
    shares = integrated_gradients(PolicyDecision(linear({("pace_gap", 0): 2.0}, residual=True), {}), x, b)
    own, base = shares
    assert own[0, POSITION["pace_gap"]] == pytest.approx(RESIDUAL_REACH * 0.2)
    assert base[0, POSITION["replan"]] == pytest.approx(0.5)
    assert base[4, len(FEATURES) + 1] == pytest.approx(-0.25)
    assert np.abs(own).sum() + np.abs(base).sum() == pytest.approx(RESIDUAL_REACH * 0.2 + 0.75)


def test_the_model_predictive_controller_is_moved_by_the_replan_alone_up_to_the_actions_reach() -> None:
    decision = ControllerDecision(controller_agent("mpc", {"gain": 0.8}), {}, SEGMENTS)
    b, x = np.zeros(F), np.full(F, 0.01)
    x[POSITION["replan"]] = 2.0
    x[POSITION["time_left"]] = 0.0
    x[len(FEATURES) :] = [0.3, -0.3]
    (shares,) = integrated_gradients(decision, x, b)
    assert shares[0, POSITION["replan"]] == pytest.approx(1.0, abs=1e-6)
    np.testing.assert_allclose(shares[3:, len(FEATURES) :], [[0.3, 0.0], [0.0, -0.3]], atol=1e-8)
    assert np.abs(shares).sum() == pytest.approx(1.6, abs=1e-5)


def test_what_a_pid_controller_remembers_has_its_share() -> None:
    gains = {"proportional": 2.0, "integral": 0.1, "derivative": 1.0}
    remembered = {"gap": np.array([0.02]), "total": np.array([0.6])}
    decision = ControllerDecision(controller_agent("pid", gains), remembered, SEGMENTS)
    b = np.zeros(len(decision.inputs))
    x = b.copy()
    x[POSITION["pace_gap"]], x[-2:] = 0.05, decision.memory
    (shares,) = integrated_gradients(decision, x, b)
    assert decision.inputs[-2:] == ("memory_gap", "memory_total")
    assert shares[0, POSITION["pace_gap"]] == pytest.approx(3.1 * 0.05)
    assert shares[0, -2] == pytest.approx(-1.0 * 0.02)
    assert shares[0, -1] == pytest.approx(0.1 * 0.6)
