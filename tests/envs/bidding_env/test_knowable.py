"""Facts about the reference that is told the law: it gains where levels vary, and reads nothing of what is to come."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from bidpilot.agents.acting.agent import AgentDay, controller_agent
from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.errors import UnknownLaw
from bidpilot.envs import seeding
from bidpilot.envs.bidding_env.episode import Episode, ReplannerOf
from bidpilot.envs.bidding_env.knowable import KnowableReplanner
from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.markets.defaults import synthetic_forecast, synthetic_market
from bidpilot.envs.markets.presets import DAILY, SHIFT, STEADY
from bidpilot.envs.synthetic.config import SyntheticConfig

SMALL = {"auctions_per_slot": 100.0, "budget": 20.0, "log_auctions": 100_000}
CALM = {f"day_{level}_std": 0.0 for level in ("value", "price", "traffic")} | {"calibration_std": (0.0, 0.0, 0.0)}


def small(preset: SyntheticConfig, **effects: object) -> SyntheticConfig:
    return SyntheticConfig.model_validate(preset.model_dump() | SMALL | effects)


def play(
    config: SyntheticConfig,
    days: DayBatch,
    replanner_of: ReplannerOf | None = None,
    forecast: SyntheticConfig | None = None,
    **campaign: object,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Utility (B,), and actions (T, B, 3 + S), of the controller with this re-plan."""
    asked = Campaign.model_validate({"budget": config.budget, "conversion_value": config.conversion_value} | campaign)
    market = synthetic_market(config, seeding.LOG_HELD_OUT, 0)
    episode = Episode(market, synthetic_forecast(forecast or config, 0), len(days))
    observation = episode.begin(days, CampaignBatch.repeat(asked, len(days)), replanner_of)
    day, actions = AgentDay(controller_agent("mpc"), len(days), episode.segments), []
    for _ in range(episode.slots):
        actions.append(day.act(observation))
        observation = episode.play(actions[-1])
    return episode.score(), np.array(actions, np.float64)


def drawn(config: SyntheticConfig, rows: int, seed: int = 5) -> DayBatch:
    market = synthetic_market(config, seeding.LOG_HELD_OUT, 0)
    return market.days(np.random.default_rng(seed).random((rows, market.draws)))


def test_where_all_levels_are_certain_it_is_the_controller() -> None:
    config = small(STEADY, **CALM, arrival_noise=0.0)
    days = drawn(config, 24)
    (mpc, plain), (told, knowing) = (play(config, days, made) for made in (None, KnowableReplanner))
    assert abs(told.mean() / mpc.mean() - 1.0) < 0.001
    assert np.abs(knowing[:40, :, 0] - plain[:40, :, 0]).max() < 0.1  # a fifth of an octave


def test_it_gains_where_levels_vary() -> None:
    config = small(DAILY)
    days = drawn(config, 192)
    mpc, told = (play(config, days, made)[0] for made in (None, KnowableReplanner))
    gain = told / mpc - 1.0
    assert gain.mean() > 2.0 * gain.std() / np.sqrt(len(gain))


def test_it_gains_much_where_the_law_is_not_the_forecasts() -> None:
    config = small(SHIFT)
    days = drawn(config, 48)
    mpc, told = (play(config, days, made, small(DAILY))[0] for made in (None, KnowableReplanner))
    assert told.mean() > 1.05 * mpc.mean()


@pytest.mark.parametrize("auction", ["second", "first"])
def test_nothing_of_later_slots_is_read(auction: str) -> None:
    """Days alike up to slot 24 in all but what comes later: the actions of slots 0 to 24 are the same to the bit."""
    config = small(SHIFT, arrival_noise=0.0)
    market = synthetic_market(config, seeding.LOG_HELD_OUT, 0)
    own = np.random.default_rng(1).random((16, market.draws))
    other = own.copy()
    for name in ("category", "own", "block_price"):
        market._draws.uniform(other, name)[:, 3:] = np.random.default_rng(2).random((16, 3))
    market._draws.uniform(other, "traffic")[:, 6:] = 0.5
    for columns in (own, other):
        market._draws.uniform(columns, "platform_shock")[:, 0] = 0.9  # no shock, or windows would begin elsewhere
    market._draws.uniform(other, "platform_shock")[:, :2] = 0.0, 0.8  # a shock from slot 38 on
    days, changed = market.days(own), market.days(other)
    changed = replace(changed, start=np.where(np.arange(48) < 24, days.start, changed.start))
    np.testing.assert_array_equal(days.count[:, :24], changed.count[:, :24])
    first, second = (play(config, d, KnowableReplanner, auction=auction)[1] for d in (days, changed))
    np.testing.assert_array_equal(first[:25], second[:25])
    assert (first[25:] != second[25:]).any()


def test_days_that_nobody_knows_the_law_of_are_refused() -> None:
    config = small(DAILY)
    days = replace(drawn(config, 2), uniforms=None)
    with pytest.raises(UnknownLaw, match="do not say what levels"):
        play(config, days, KnowableReplanner)
