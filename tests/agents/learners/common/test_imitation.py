"""Imitation of one who knows more: it learns its labels, beats the policy it began as, and repeats itself."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from bidpilot.agents.acting.agent import AgentDay
from bidpilot.agents.acting.policy import NetworkPolicy
from bidpilot.agents.acting.residual import RESIDUAL, Residual, compose
from bidpilot.agents.learners.catalogue import DEFAULT, LEARNERS, LearnerName
from bidpilot.agents.learners.common.imitation import imitate, raw_label
from bidpilot.agents.learners.common.imitation_config import ImitationConfig
from bidpilot.agents.learners.common.learner import Learner, trained_policy
from bidpilot.agents.learners.common.vec_env import BiddingVecEnv
from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.day.action import action_size
from bidpilot.bidding.errors import InvalidConfig, UnknownLaw
from bidpilot.envs import seeding
from bidpilot.envs.bidding_env.env import BiddingVectorEnv
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.markets.defaults import preset_campaign, preset_forecast, preset_market

ROWS, SLOTS, DAYS, ROUNDS = 32, 48, 64, 4
BRIEF = ImitationConfig(rounds=ROUNDS, epochs=4, batch_size=256)
SETTINGS = {"net": (16, 16), "batch_size": ROWS * SLOTS, "residual": False}


@dataclass(frozen=True)
class Imitated:
    """One imitation: the policies before and after, and the losses heard, each (rounds,)."""

    learner: LearnerName
    before: NetworkPolicy
    after: NetworkPolicy
    actor: list[float]
    critic: list[float]
    day_over: bool  # whether the environment stands at the start of a day


def untrained(
    name: LearnerName, residual: Residual | None = None
) -> tuple[Learner[Any], OnPolicyAlgorithm, BiddingVecEnv]:
    vector = BiddingVectorEnv(ROWS, preset_market(), preset_forecast(), preset_campaign())
    env, learner = BiddingVecEnv(vector, residual), LEARNERS[name].load()
    model = learner.make(LEARNERS[name].config.model_copy(update=SETTINGS), env, seed=1)
    env.seed(100)
    return learner, model, env


def imitated(name: LearnerName) -> Imitated:
    learner, model, env = untrained(name)
    heard: list[tuple[int, float, float]] = []
    before = trained_policy(learner, model, env)
    imitate(learner, model, env, BRIEF, lambda *told: heard.append(told))
    turns, actor, critic = zip(*heard, strict=True)
    assert turns == tuple(range(ROUNDS))
    after = trained_policy(learner, model, env)
    return Imitated(name, before, after, list(actor), list(critic), env.vector.episode.t == 0)


@pytest.fixture(scope="module", params=LEARNERS)
def brief(request: pytest.FixtureRequest) -> Imitated:
    return imitated(request.param)


def utility(policy: NetworkPolicy) -> NDArray[np.float64]:
    """(D,) what the policy attains on days that it never imitated on."""
    market = preset_market()
    episode = Episode(market, preset_forecast(), DAYS)
    days = market.days(seeding.stream(seeding.VALIDATION, 0).random((DAYS, market.draws)))
    observation = episode.begin(days, CampaignBatch.repeat(preset_campaign(), DAYS))
    day = AgentDay(policy, DAYS, episode.segments, episode.replan)
    for _ in range(episode.slots):
        observation = episode.play(day.act(observation))
    return episode.utility.copy()


def test_losses_of_actor_and_critic_fall(brief: Imitated) -> None:
    assert brief.actor[-1] < 0.5 * brief.actor[0]
    assert brief.critic[-1] < 0.5 * brief.critic[0]


def test_imitation_leaves_the_environment_at_the_start_of_a_day(brief: Imitated) -> None:
    assert brief.day_over


def test_the_imitator_beats_what_it_was_before_on_other_days_of_its_market(brief: Imitated) -> None:
    gain = utility(brief.after) / utility(brief.before) - 1.0
    assert gain.mean() > 0.02
    assert gain.mean() > 4.0 * gain.std() / np.sqrt(DAYS)


def test_the_same_seed_gives_the_same_weights(brief: Imitated) -> None:
    again = imitated(brief.learner)
    for name, array in brief.after.network.arrays().items():
        np.testing.assert_array_equal(again.after.network.arrays()[name], array)
    assert again.actor == brief.actor


def test_a_batch_shorter_than_a_day_is_refused_where_days_are_learnt_from_whole() -> None:
    short = ImitationConfig(rounds=1, batch_size=SLOTS - 1)
    for name in LEARNERS:
        learner, model, env = untrained(name)
        if learner.remembers:
            with pytest.raises(InvalidConfig, match=f"less than the {SLOTS} slots of a day"):
                imitate(learner, model, env, short, lambda *told: None)
            break
    else:
        pytest.fail("no learner remembers")


def test_no_rounds_change_nothing_and_play_nothing() -> None:
    learner, model, env = untrained(DEFAULT)
    before = {name: value.clone() for name, value in model.policy.state_dict().items()}
    imitate(learner, model, env, ImitationConfig(rounds=0), lambda *told: pytest.fail("a round was told of"))
    assert not env.vector.generators  # no day has begun
    for name, value in model.policy.state_dict().items():
        assert torch.equal(value, before[name])


def observations() -> NDArray[np.float32]:
    """(N, F) from a day of random actions, whose re-plans differ."""
    *_, env = untrained(DEFAULT, RESIDUAL)
    rng, seen = np.random.default_rng(0), [env.reset()]
    for _ in range(8):
        action = rng.uniform(-1, 1, (ROWS, action_size(env.vector.episode.segments)))
        seen.append(env.step(action.astype(np.float32))[0])
    return np.concatenate(seen)


@pytest.mark.parametrize("residual", [None, RESIDUAL], ids=["alone", "residual"])
def test_a_label_within_reach_is_inverted(residual: Residual | None) -> None:
    observation = observations()
    raw = np.random.default_rng(1).uniform(-1, 1, (len(observation), 11)).astype(np.float32)
    action = compose(observation, raw, residual)
    inner = np.abs(action) < 1.0  # an action that was clipped to the box has several raw outputs
    assert inner.mean() > 0.5
    label = raw_label(observation, action.astype(np.float64), residual)
    np.testing.assert_allclose(label[inner], raw[inner], atol=1e-5)
    np.testing.assert_allclose(compose(observation, label, residual), action, atol=1e-5)


@pytest.mark.parametrize("residual", [None, RESIDUAL], ids=["alone", "residual"])
def test_a_label_out_of_reach_is_met_as_nearly_as_can_be(residual: Residual | None) -> None:
    observation = observations()
    base = compose(observation, np.zeros((len(observation), 11), np.float32), residual)
    reach = residual.reach if residual else 1.0
    for side in (-1.0, 1.0):
        label = raw_label(observation, base.astype(np.float64) + side * (reach + 0.1), residual)
        assert (label == side).all()


def test_a_teacher_told_the_law_is_refused_on_a_log_and_the_default_falls_back_to_hindsight() -> None:
    log = Path("a log")
    for teacher in ("law", "blend"):
        with pytest.raises(UnknownLaw, match=f"imitation.teacher = {teacher}"):
            ImitationConfig(teacher=teacher).check_law_known(log)
        ImitationConfig(teacher=teacher).check_law_known(None)
    for teacher in ("auto", "hindsight"):
        ImitationConfig(teacher=teacher).check_law_known(log)
