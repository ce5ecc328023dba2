"""The compiled re-plan against the plain one, which is what serves."""

import numpy as np
import pytest

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.day.replan import Replanner
from bidpilot.envs.bidding_env.compiled_replanner import CompiledReplanner
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.markets.defaults import preset_campaign, preset_forecast, preset_market

ROUNDS = 60


@pytest.mark.parametrize("rows", [1, 64])
def test_a_scale_is_the_plain_one_to_the_last_bit(rows: int) -> None:
    """Levels far beyond the grid, no money left and more than all auctions cost are among the draws."""
    market, forecast, rng = preset_market(), preset_forecast(), np.random.default_rng(0)
    campaign = preset_campaign()
    episode = Episode(market, forecast, rows)
    budgets = campaign.budget * 2.0 ** rng.uniform(-3, 3, rows)
    campaigns = CampaignBatch.repeat(campaign, rows, budgets, np.full(rows, np.nan))
    episode.begin(market.days(rng.random((rows, market.draws))), campaigns)
    assert isinstance(episode.observer._today.replanner, CompiledReplanner)
    plain, compiled = (
        make(forecast, episode.today.plan, episode.today.index) for make in (Replanner, CompiledReplanner)
    )
    seen = []
    for turn in range(ROUNDS):
        levels = episode.statistics.levels()
        for part in (levels.day, levels.block):
            part[:] = rng.normal(scale=4.0, size=part.shape)
        levels.trust[:] = rng.random(levels.trust.shape)
        left = campaigns.budget * rng.exponential(size=rows) * (rng.random(rows) > 0.1)
        t = turn % forecast.slots
        expected = plain.scale(levels, left, t)
        np.testing.assert_array_equal(compiled.scale(levels, left, t), expected)
        seen.append(expected + plain._scale)
    from_end_to_end = np.concatenate(seen)
    assert from_end_to_end.min() == pytest.approx(-5.0)
    assert from_end_to_end.max() == pytest.approx(11.0)
