"""Facts about the re-plan under constraints, over whole days of the default market."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bidpilot.agents.acting.agent import AgentDay, controller_agent
from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Delays
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.markets.defaults import preset_campaign, preset_forecast, preset_market

ROWS = 64


def days_of(agent: str, **changes: Any) -> tuple[Episode, NDArray[np.float64]]:
    """Finished days, and spend (B, S) by segment."""
    market = preset_market()
    days = market.days(np.random.default_rng(3).random((ROWS, market.draws)))
    campaigns = CampaignBatch.repeat(preset_campaign().model_copy(update=changes), ROWS)
    episode = Episode(market, preset_forecast(), ROWS)
    acting = controller_agent(agent)
    observation = episode.begin(days, campaigns, replan=acting.replan)
    day = AgentDay(acting, ROWS, episode.segments, episode.replan)
    spend = np.zeros((ROWS, episode.segments))
    for _ in range(episode.slots):
        observation = episode.play(day.act(observation))
        spend += episode.totals.segment_spend
    return episode, spend


def tail_share(episode: Episode) -> NDArray[np.float64]:
    share: NDArray[np.float64] = episode.statistics.tail_wins[-1] / episode.statistics.wins[-1]
    return share


both = pytest.mark.parametrize("name", ["mpc", "adaptive"])


@both
@pytest.mark.parametrize("least", [0.35, 0.5])
def test_it_holds_the_tail_share_where_the_plan_does_not(least: float, name: str) -> None:
    planned, _ = days_of("plan", min_tail_share=least)
    steered, _ = days_of(name, min_tail_share=least)
    assert tail_share(planned).min() < least - 0.02
    assert tail_share(steered).min() > least - 0.02
    assert np.median(tail_share(steered)) < least + 0.02  # and gives no more than was asked for


@both
def test_it_holds_a_channel_cap_and_spends_the_rest_elsewhere(name: str) -> None:
    planned, _ = days_of("plan", channel_caps={"feed": 8.0})
    steered, spend = days_of(name, channel_caps={"feed": 8.0})
    assert spend[:, :2].sum(axis=1).max() < 8.0 * 1.05
    assert spend.sum(axis=1).mean() > 0.98 * 40.0
    assert steered.utility.mean() > planned.utility.mean()


@both
@pytest.mark.parametrize("target", [2.8, 3.3])
def test_it_comes_down_to_a_cost_target(target: float, name: str) -> None:
    only = {"preference": (0.0, 0.0, 1.0)}
    held, planned, free = (
        days_of(name, max_cpa=target, **only),
        days_of("plan", max_cpa=target, **only),
        days_of(name, **only),
    )
    episode = free[0]
    allowed = target * episode.kpi[:, 2] / (episode.today.campaigns.budget - episode.left)
    assert held[0].score().mean() > planned[0].score().mean()
    assert held[0].score().mean() > (episode.utility * np.minimum(1.0, allowed**2)).mean() + 0.02
    assert np.median((40.0 - held[0].left) / held[0].kpi[:, 2]) == pytest.approx(target, rel=0.05)


def test_a_return_on_spend_is_a_cost_target_said_otherwise() -> None:
    by_cost, _ = days_of("mpc", max_cpa=3.0)
    by_return, _ = days_of("mpc", min_roi=preset_campaign().conversion_value / 3.0)
    np.testing.assert_allclose(by_return.kpi, by_cost.kpi, rtol=0.02)


def test_the_reserve_is_released_in_the_last_block() -> None:
    episode, _ = days_of("mpc", reserve=0.2)
    spent = episode.statistics.spend.T / episode.today.campaigns.budget[:, None]
    assert spent[:, 40].max() <= 0.8 + 1e-9
    assert spent[:, -1].mean() > 0.95


def test_late_reports_are_waited_for() -> None:
    episode, _ = days_of("mpc", min_tail_share=0.5, delays=Delays(wins=2))
    assert np.median(tail_share(episode)) == pytest.approx(0.5, abs=0.03)
