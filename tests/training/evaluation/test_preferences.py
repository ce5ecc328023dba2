"""Preferences matter: what is wanted more is had more, and a policy that saw one alone is worse at others."""

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from bidpilot.agents.acting.agent import Agent, AgentDay, controller_agent
from bidpilot.agents.acting.policy import NetworkPolicy
from bidpilot.agents.learners.catalogue import DEFAULT, LEARNERS
from bidpilot.agents.learners.common.imitation import imitate
from bidpilot.agents.learners.common.imitation_config import ImitationConfig
from bidpilot.agents.learners.common.learner import trained_policy
from bidpilot.agents.learners.common.vec_env import BiddingVecEnv
from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.plan.planner import Planner
from bidpilot.envs import seeding
from bidpilot.envs.bidding_env.campaign_pool import CampaignPool
from bidpilot.envs.bidding_env.env import BiddingVectorEnv
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.markets.defaults import preset_campaign, preset_forecast, preset_market
from bidpilot.training.evaluation.play import Arena, in_ideal_points
from bidpilot.training.evaluation.statistics import interquartile_mean

ROWS, SLOTS, DAYS = 64, 48, 200
Preference = tuple[float, float, float]
HELD_OUT: tuple[Preference, ...] = ((0.1, 0.1, 0.8), (0.1, 0.7, 0.2), (0.0, 0.4, 0.6), (0.3, 0.3, 0.4))
CORNERS_AND_MIXES: tuple[Preference, ...] = (
    (1.0, 0.0, 0.0),
    (0.0, 1.0, 0.0),
    (0.0, 0.0, 1.0),
    (0.5, 0.5, 0.0),
    (0.4, 0.2, 0.4),
    (0.2, 0.3, 0.5),
)


def campaign(preference: Preference) -> Campaign:
    return preset_campaign().model_copy(update={"preference": preference})


def held_out_days(copies: int = 1) -> DayBatch:
    """200 days of the validation stream, `copies` times over."""
    market = preset_market()
    uniforms = seeding.stream(seeding.VALIDATION, 0).random((DAYS, market.draws))
    return market.days(np.tile(uniforms, (copies, 1)))


def imitator(preferences: list[Preference]) -> NetworkPolicy:
    """A plain policy (no re-plan beneath it) that imitated the hindsight optimum of these preferences."""
    campaigns = CampaignBatch.of([campaign(preference) for preference in preferences])
    plan, index = Planner(preset_forecast()).plan(campaigns)
    pool = CampaignPool(campaigns, plan, index)
    vector = BiddingVectorEnv(ROWS, preset_market(), preset_forecast(), preset_campaign(), pool=pool)
    env = BiddingVecEnv(vector)
    learner = LEARNERS[DEFAULT].load()
    own = {"net": (32, 32), "batch_size": ROWS * SLOTS, "residual": False}
    config = LEARNERS[DEFAULT].config.model_copy(update=own)
    model = learner.make(config, env, seed=0)
    env.seed(0)
    imitate(learner, model, env, ImitationConfig(rounds=5, epochs=4), lambda *_: None)
    return trained_policy(learner, model, env)


@pytest.fixture(scope="module")
def generalist() -> NetworkPolicy:
    drawn = np.random.default_rng(0).dirichlet(np.full(3, 0.7), 64)
    return imitator([(float(e), float(i), float(c)) for e, i, c in drawn])


def test_a_policy_trained_on_one_preference_is_worse_on_others_than_one_trained_on_many(
    generalist: NetworkPolicy,
) -> None:
    specialist, days = imitator([(1.0, 0.0, 0.0)]), held_out_days()
    gains = []
    for preference in HELD_OUT:
        arena = Arena(preset_market(), preset_forecast(), campaign(preference), days)
        many, one = arena.play(generalist).ratio, arena.play(specialist).ratio
        gains.append(interquartile_mean(many) - interquartile_mean(one))
        paired = many - one
        assert paired.mean() > 3.0 * paired.std() / np.sqrt(DAYS)
    assert min(gains) > 0.0


def mpc(generalist: NetworkPolicy) -> Agent:
    return controller_agent("mpc")


def itself(generalist: NetworkPolicy) -> Agent:
    return generalist


def mean_totals(agent: Agent, preferences: tuple[Preference, ...]) -> NDArray[np.float64]:
    """(P, 3) true totals in ideal points, the mean over the same days for each preference."""
    days = held_out_days(len(preferences))
    campaigns = CampaignBatch.concatenate([CampaignBatch.repeat(campaign(p), DAYS) for p in preferences])
    episode = Episode(preset_market(), preset_forecast(), len(days))
    observation = episode.begin(days, campaigns)
    day = AgentDay(agent, episode.rows, episode.segments, episode.replan)
    for _ in range(episode.slots):
        observation = episode.play(day.act(observation))
    reached = in_ideal_points(episode.kpi, episode.today.ideal)
    return np.asarray(reached.reshape(len(preferences), DAYS, 3).mean(axis=1))


@pytest.mark.parametrize("made", [mpc, itself], ids=["mpc", "policy"])
def test_totals_move_with_the_preference_between_any_two(
    made: Callable[[NetworkPolicy], Agent], generalist: NetworkPolicy
) -> None:
    """`(w - w') . (x / z - x' / z) >= 0`, as for any maximiser of a weighted sum."""
    totals, preferences = mean_totals(made(generalist), CORNERS_AND_MIXES), np.array(CORNERS_AND_MIXES)
    for a, b in combinations(range(len(preferences)), 2):
        assert (preferences[a] - preferences[b]) @ (totals[a] - totals[b]) > 0.0
