"""What a conversion is worth: under rates nothing but a least return depends on it, not by one bit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bidpilot.agents.acting.agent import AgentDay, controller_agent
from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.bidding_env.oracle import InformedReplanner, Oracle
from bidpilot.envs.markets.defaults import preset_campaign, preset_forecast, preset_market

DAYS = 4
ALONE = {"preference": (0.0, 0.0, 1.0)}


@dataclass
class Played:
    """Days of a campaign under `mpc`."""

    observations: NDArray[np.float32]  # (T + 1, B, F)
    wins: NDArray[np.int64]  # (T, B)
    labels: NDArray[np.float64]  # (B, 3 + S) of hindsight, halfway
    episode: Episode


def played(campaign: Campaign, forecast: Forecast | None = None, informed: bool = False) -> Played:
    market = preset_market()
    episode = Episode(market, forecast or preset_forecast(), DAYS)
    days = market.days(np.random.default_rng(7).random((DAYS, market.draws)))
    told = InformedReplanner if informed else None
    observations, wins = [episode.begin(days, CampaignBatch.repeat(campaign, DAYS), told)], []
    day, labels = AgentDay(controller_agent("mpc"), DAYS, episode.segments), np.empty(0)
    for t in range(episode.slots):
        labels = Oracle(episode).action() if t == 24 else labels
        observations.append(episode.play(day.act(observations[-1])))
        wins.append(episode.totals.wins.copy())
    assert np.array(wins).sum() > 1000
    return Played(np.array(observations), np.array(wins), labels, episode)


def same(one: Played, other: Played) -> bool:
    return np.array_equal(one.observations, other.observations) and np.array_equal(one.wins, other.wins)


def campaign(**changes: Any) -> Campaign:
    return Campaign.model_validate(preset_campaign().model_dump() | changes)


@pytest.mark.parametrize("informed", [False, True])
@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"scalarisation": "nash"},
        {"auction": "first"},
        {"max_cpa": 3.0, **ALONE},
        {"kpi_floors": (0.0, 0.0, 5.0)},
        {"min_tail_share": 0.4, "channel_caps": {"feed": 15.0}},
    ],
    ids=["plain", "nash", "first_price", "max_cpa", "floor", "segments"],
)
def test_campaigns_that_differ_in_worth_alone_see_and_win_the_same(asked: dict[str, Any], informed: bool) -> None:
    own, other = (played(campaign(conversion_value=worth, **asked), informed=informed) for worth in (12.0, 17.64))
    assert same(own, other)
    np.testing.assert_array_equal(own.labels, other.labels)
    np.testing.assert_array_equal(own.episode.score(), other.episode.score())


def test_a_least_return_is_of_the_campaigns_own_money() -> None:
    """Twice the return at twice the worth asks for the same; the same return at twice the worth asks for less."""
    asked = {"min_roi": 4.0, **ALONE}
    own = played(campaign(conversion_value=12.0, **asked))
    twice = played(campaign(conversion_value=24.0, **(asked | {"min_roi": 8.0})))
    np.testing.assert_allclose(twice.episode.kpi, own.episode.kpi, rtol=1e-3)
    dear = played(campaign(conversion_value=24.0, **asked))
    assert not same(own, dear)
    assert dear.wins.sum() > own.wins.sum()
    assert same(dear, played(campaign(conversion_value=240.0, **asked)))  # a return that is kept anyway is free
    spend = 40.0 - own.episode.left
    assert np.median(12.0 * own.episode.kpi[:, 2] / spend) == pytest.approx(4.0, rel=0.05)


def test_in_money_another_worth_is_another_value_level() -> None:
    """The day's rates times twice the worth lie an octave above the forecast."""
    in_money = replace(preset_forecast(), conversion_value=None)
    own, dear = (played(campaign(conversion_value=worth, **ALONE), in_money) for worth in (12.0, 24.0))
    assert same(own, played(campaign(conversion_value=12.0, **ALONE)))  # the preset's own worth: both forms agree
    level, dear_level = (one.episode.statistics.mean_levels()[0] for one in (own, dear))
    np.testing.assert_allclose(dear_level - level, 1.0, atol=1e-9)
