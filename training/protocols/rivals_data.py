"""What learned rivals learn from: recombined training days, as controllers with noise played them.

An imported log keeps no bids, and the recorded ones are of two advertisers. So the days are those that policies train
on, recombined from training days alone, under budgets and targets spread wider; the bids are those of the product's
controllers, each with noise of a day and of a slot.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from bidpilot.agents.acting.agent import AgentDay, controller_agent
from bidpilot.agents.baselines.learned.state import DayState, Floats, Usual
from bidpilot.agents.baselines.published.auctionnet import conversion_rule
from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.kpi import CONVERSION
from bidpilot.envs import seeding
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.markets.recorded.recombined import RecombinationConfig, RecombinedMarket
from bidpilot.training.setting.setting import Setting

BEHAVIOURS: Final = ("mpc", "adaptive", "plan")
"""The controllers whose bids, with noise, are learnt from."""

_DAY_NOISE, _SLOT_NOISE = 0.25, 0.25  # standard deviations of the log of alpha
_BUDGET_SPREAD = 0.5  # of the log of a day's budget over the recorded one: other advertisers' lie within
_TARGET_SPREAD = 0.25  # of the log of a day's target cost over the recorded one, likewise


@dataclass(frozen=True)
class OfflineDays:
    """N days of T slots, half of them scored under their target costs and half by their budgets alone."""

    states: Floats  # (N, T, F) before each slot
    bids: Floats  # (N, T) log of alpha over the target CPA
    rewards: Floats  # (N, T) what the slot added to the score, over a slot's mean share of what the plan expects


def offline_market(setting: Setting) -> RecombinedMarket:
    """The setting's training days, recombined under budgets spread wider than recorded."""
    assert setting.reference_log is not None
    assert setting.split is not None
    assert setting.carries is not None
    config = RecombinationConfig(carries=setting.carries.carries, sigma_budget=_BUDGET_SPREAD)
    return RecombinedMarket(setting.reference_log, config, setting.split.training)


def offline_days(setting: Setting, usual: Usual, rows: int, seed: int) -> OfflineDays:
    """`rows` days of each behaviour under each score.

    Args:
        setting: of a recorded log whose days have target costs, scored by conversions alone.
        usual: means of its training days.
        rows: days of each behaviour under each score.
        seed: of the days and of the noise.
    """
    market, rng = offline_market(setting), seeding.stream(seeding.TRAINING, seed)
    parts = []
    for behaviour in BEHAVIOURS:
        for targets in (True, False):
            days = market.days(rng.random((rows, market.draws)))
            target = days.max_cpa * np.exp(_TARGET_SPREAD * rng.standard_normal(rows))
            days = replace(days, max_cpa=target)
            parts.append(_played(setting, market, days, usual, behaviour, targets, rng))
    return OfflineDays(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _played(
    setting: Setting,
    market: RecombinedMarket,
    days: DayBatch,
    usual: Usual,
    behaviour: str,
    targets: bool,
    rng: np.random.Generator,
) -> tuple[Floats, Floats, Floats]:
    """States (B, T, F), logs of alpha over the target (B, T) and rewards (B, T) of one controller's days."""
    rows, target = len(days), days.max_cpa
    days = days if targets else days.without_targets()
    campaigns = CampaignBatch.repeat(setting.campaign, rows, days.budget, days.conversion_value, days.bounds)
    episode, agent = Episode(market, setting.forecast, rows), controller_agent(behaviour)
    observation = episode.begin(days, campaigns, replan=agent.replan)
    deciding = AgentDay(agent, rows, episode.segments, episode.replan)
    state = DayState(usual, target, np.full(rows, targets))
    day = _DAY_NOISE * rng.standard_normal(rows)
    states, bids, scores = [], [], [np.zeros(rows)]
    for _ in range(episode.slots):
        states.append(state.before_slot(episode))
        action = deciding.act(observation)
        noise = day + _SLOT_NOISE * rng.standard_normal(rows)
        alpha = episode.decoded(action).alpha[:, CONVERSION] * np.exp(noise)
        episode.play_rule(conversion_rule(alpha, episode.segments))
        observation = episode.observer.observe(episode.statistics, action)
        bids.append(np.log(alpha / target))
        scores.append(episode.score() / episode.today.plan_utility)
    rewards = np.diff(scores, axis=0) * episode.slots
    return np.stack(states, axis=1), np.stack(bids, axis=1), rewards.T
