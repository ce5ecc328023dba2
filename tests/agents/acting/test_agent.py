"""What every agent keeps to: it acts in range, changes nothing that it is given, and treats rows alone."""

import numpy as np
import pytest
from numpy.typing import NDArray

from bidpilot.agents.acting.agent import Agent, AgentDay, controller_agent
from bidpilot.agents.acting.controllers import CONTROLLERS
from bidpilot.agents.acting.policy import NetworkPolicy
from bidpilot.agents.acting.residual import RESIDUAL, Residual
from bidpilot.bidding.day.action import action_size
from bidpilot.bidding.day.features import bounds
from bidpilot.bidding.day.replanners import Replan
from bidpilot.bidding.errors import PolicyMismatch, UnknownAgent
from tests.agents.acting.networks import random_lstm, random_mlp, sizes_of

SEGMENTS, ROWS, SLOTS = 2, 5, 12
AGENTS: dict[str, Agent] = {
    **{name: controller_agent(name) for name in CONTROLLERS},
    "mlp": NetworkPolicy(random_mlp(*sizes_of(SEGMENTS))),
    "residual": NetworkPolicy(random_mlp(*sizes_of(SEGMENTS)), RESIDUAL),
    "lstm": NetworkPolicy(random_lstm(*sizes_of(SEGMENTS))),
    "residual lstm": NetworkPolicy(random_lstm(*sizes_of(SEGMENTS)), RESIDUAL),
    "lstm over pid": NetworkPolicy(random_lstm(*sizes_of(SEGMENTS)), Residual(controller_agent("pid"), 0.3)),
}
every_agent = pytest.mark.parametrize("agent", AGENTS.values(), ids=AGENTS)


def observations() -> NDArray[np.float32]:
    """A day (T, B, F) over all features' ranges."""
    low, high = bounds(SEGMENTS)
    return np.random.default_rng(0).uniform(low, high, (SLOTS, ROWS, len(low))).astype(np.float32)


@every_agent
def test_actions_are_in_range_and_memory_is_by_row(agent: Agent) -> None:
    day = AgentDay(agent, ROWS, SEGMENTS)
    names = set(day.state)
    for seen in observations():
        action = day.act(seen)
        assert action.shape == (ROWS, action_size(SEGMENTS))
        assert np.abs(action).max() <= 1.0
        assert set(day.state) == names
        assert all(len(array) == ROWS for array in day.state.values())


@every_agent
def test_acting_is_pure(agent: Agent) -> None:
    first, second, *_ = observations()
    _, state = agent.act(first, agent.start(ROWS))
    before = {name: array.copy() for name, array in state.items()}
    action, after = agent.act(second, state)
    again, after_again = agent.act(second, state)
    np.testing.assert_array_equal(again, action)
    for name in before:
        np.testing.assert_array_equal(state[name], before[name])
        np.testing.assert_array_equal(after_again[name], after[name])


@every_agent
def test_a_row_alone_does_what_it_does_among_others(agent: Agent) -> None:
    together, alone = AgentDay(agent, ROWS, SEGMENTS), AgentDay(agent, 1, SEGMENTS)
    for seen in observations():
        np.testing.assert_allclose(alone.act(seen[2:3])[0], together.act(seen)[2], atol=2e-6)


@pytest.mark.parametrize("name", ["pid", "dual_descent", "lstm", "residual lstm", "lstm over pid"])
def test_what_remembers_answers_otherwise_than_at_the_start_of_a_day(name: str) -> None:
    day, seen = AgentDay(AGENTS[name], ROWS, SEGMENTS), observations()
    for slot in range(4):
        day.act(seen[slot])
    fresh = AgentDay(AGENTS[name], ROWS, SEGMENTS).act(seen[4])
    assert np.abs(day.act(seen[4]) - fresh).max() > 0.01


def test_a_day_goes_on_from_a_memory_that_was_kept() -> None:
    agent, seen = AGENTS["lstm over pid"], observations()
    whole = AgentDay(agent, ROWS, SEGMENTS)
    answers = [whole.act(slot) for slot in seen]
    first, second = AgentDay(agent, ROWS, SEGMENTS), AgentDay(agent, ROWS, SEGMENTS)
    for slot in seen[:5]:
        first.act(slot)
    second.state = {name: np.array(array.tolist(), array.dtype) for name, array in first.state.items()}  # plain data
    for slot, expected in zip(seen[5:], answers[5:], strict=True):
        np.testing.assert_array_equal(second.act(slot), expected)


def test_a_day_over_other_segments_does_not_begin() -> None:
    with pytest.raises(PolicyMismatch, match="acts on 2 segments, the market has 3"):
        AgentDay(AGENTS["lstm"], 1, 3)


def test_a_day_whose_observations_hold_another_re_plan_does_not_begin() -> None:
    AgentDay(AGENTS["adaptive"], 1, SEGMENTS, Replan.ADAPTIVE)
    with pytest.raises(PolicyMismatch, match=r"adaptive follows the re-plan adaptive, and .* hold forecast"):
        AgentDay(AGENTS["adaptive"], 1, SEGMENTS, Replan.FORECAST)


def test_a_controller_or_gain_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(UnknownAgent, match=r"no controller is called 'oracle'. Use one of: plan, pid"):
        controller_agent("oracle")
    with pytest.raises(UnknownAgent, match=r"mpc has no gain 'loss'. Its gains: gain, early, late"):
        controller_agent("mpc", {"loss": 1.0})
