"""A day through a gate: refused requests are no arrivals, and the gate knows nothing of later slots."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest

from bidpilot.agents.acting.agent import AgentDay, controller_agent
from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.day.statistics import TRAFFIC, VALUE
from bidpilot.bidding.errors import InvalidGate
from bidpilot.bidding.traffic.gate import Gate
from bidpilot.envs.bidding_env.env import BiddingVectorEnv
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.markets.base import Market
from bidpilot.envs.markets.defaults import preset_campaign, preset_forecast, preset_market

ROWS = 4
PLAN = np.zeros((ROWS, 11))


def days_of(market: Market) -> DayBatch:
    return market.days(np.random.default_rng(5).random((ROWS, market.draws)))


def begun(campaign: Campaign | None = None) -> Episode:
    market = preset_market()
    episode = Episode(market, preset_forecast(), ROWS)
    episode.begin(days_of(market), CampaignBatch.repeat(campaign or preset_campaign(), ROWS))
    return episode


def refuse(episode: Episode, *sources: int) -> Gate:
    gate = Gate.open(ROWS, episode.market.log.sources)
    gate.multiplier[:, list(sources)] = 0.0
    return gate


@pytest.mark.parametrize("feedback", ["full", "won_only"])
def test_refused_requests_are_no_arrivals_for_pacing(feedback: Literal["full", "won_only"]) -> None:
    episode, whole = (begun(preset_campaign().model_copy(update={"feedback": feedback})) for _ in range(2))
    whole.play(PLAN)
    episode.play(PLAN, refuse(episode, *range(8)))
    totals, statistics = episode.totals, episode.statistics
    refused = totals.source_refused.sum(axis=1)
    assert (refused > 10).all()
    np.testing.assert_array_equal(totals.auctions + refused, whole.totals.auctions)
    np.testing.assert_array_equal(statistics.auctions[1], totals.auctions)
    forecast = episode.planner.forecast
    np.testing.assert_allclose(statistics.log_level[TRAFFIC], np.log2(totals.auctions / forecast.auctions[0]))
    mean = totals.requested / totals.auctions[:, None]  # over what arrives, so that value is not thinned with traffic
    value = np.log2((episode.today.alpha * mean).sum(axis=1) / episode.today.plan.mean_value.sum(axis=1))
    np.testing.assert_allclose(statistics.log_level[VALUE], value)


def test_the_environment_plays_a_slot_through_a_gate() -> None:
    env = BiddingVectorEnv(ROWS, preset_market(), preset_forecast(), preset_campaign())
    env.reset(seed=0)
    env.play(PLAN, refuse(env.episode, 3))
    assert env.episode.totals.source_refused[:, 3].any()
    assert env.episode.rule.gate is not None
    env.play(PLAN)  # a gate is of its slot
    assert env.episode.rule.gate is None
    assert not env.episode.totals.source_refused.any()


@pytest.mark.parametrize("shape", [(ROWS, 3), (1, 64)])
def test_a_gate_for_other_rows_or_sources_is_refused_before_the_slot(shape: tuple[int, int]) -> None:
    episode = begun()
    assert episode.market.log.sources == 64
    with pytest.raises(InvalidGate, match="one multiplier and quota for each"):
        episode.play(PLAN, Gate.open(*shape))
    assert episode.t == 0


def test_what_a_gate_learns_before_a_slot_does_not_depend_on_the_day_after_it() -> None:
    """A gate that follows the counts by source of the slots before: actions and gates are the same up to the cut."""
    market, cut = preset_market(), 20
    days, later = days_of(market), np.arange(48)
    later[cut:] = np.random.default_rng(0).permutation(later[cut:])
    names = ("start", "count", "price_scale", "value_scale", "invalid_share", "invalid_source")
    moved: dict[str, Any] = {name: np.ascontiguousarray(getattr(days, name)[:, later]) for name in names}
    shuffled = replace(days, **moved)
    actions, gates = np.zeros((2, 48, ROWS, 11)), np.zeros((2, 48, ROWS, market.log.sources))
    for k, batch in enumerate((days, shuffled)):
        episode = Episode(market, preset_forecast(), ROWS)
        observation = episode.begin(batch, CampaignBatch.repeat(preset_campaign(), ROWS))
        day, quota = AgentDay(controller_agent("mpc"), ROWS, 8), np.full(gates.shape[2:], 4.0)
        for t in range(48):
            actions[k, t], gates[k, t] = day.act(observation), quota
            observation = episode.play(actions[k, t], Gate(np.ones_like(quota), quota))
            quota = np.ceil(0.5 * (quota + episode.totals.source_auctions - episode.totals.source_refused / 2))
    np.testing.assert_array_equal(actions[0, : cut + 1], actions[1, : cut + 1])
    np.testing.assert_array_equal(gates[0, : cut + 1], gates[1, : cut + 1])
    assert (actions[0, cut + 1 :] != actions[1, cut + 1 :]).any()
    assert (gates[0, cut + 1 :] != gates[1, cut + 1 :]).any()
