"""The compiled re-plan against the plain one, which is what serves."""

import numpy as np
import pytest
from numpy.typing import NDArray

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.day.replan import Replanner
from bidpilot.bidding.day.replanners import Replan, replanner
from bidpilot.bidding.landscape.curves import POINTS
from bidpilot.envs.bidding_env.compiled_replanner import CompiledReplanner, compiled_replanner
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.markets.defaults import preset_campaign, preset_forecast, preset_market

ROUNDS = 60


def noisy_days(rows: int) -> tuple[Episode, NDArray[np.float64], np.random.Generator]:
    """An episode of `daily` that has begun with budgets (rows,) far apart."""
    market, forecast, rng = preset_market(), preset_forecast(), np.random.default_rng(0)
    episode = Episode(market, forecast, rows)
    budgets = preset_campaign().budget * 2.0 ** rng.uniform(-3, 3, rows)
    campaigns = CampaignBatch.repeat(preset_campaign(), rows, budgets, np.full(rows, np.nan))
    episode.begin(market.days(rng.random((rows, market.draws))), campaigns)
    return episode, budgets, rng


@pytest.mark.parametrize("rows", [1, 64])
def test_a_scale_is_the_plain_one_to_the_last_bit(rows: int) -> None:
    """Levels far beyond the grid, no money left and more than all auctions cost are among the draws."""
    episode, budgets, rng = noisy_days(rows)
    forecast = episode.planner.forecast
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
        left = budgets * rng.exponential(size=rows) * (rng.random(rows) > 0.1)
        t = turn % forecast.slots
        expected = plain.scale(levels, left, t)
        np.testing.assert_array_equal(compiled.scale(levels, left, t), expected)
        seen.append(expected + plain._scale)
    from_end_to_end = np.concatenate(seen)
    assert from_end_to_end.min() == pytest.approx(-5.0)
    assert from_end_to_end.max() == pytest.approx(11.0)


@pytest.mark.parametrize("replan", [Replan.FORECAST, Replan.ADAPTIVE])
def test_no_curve_falls_so_that_a_search_may_begin_anywhere(replan: Replan) -> None:
    episode, _, _ = noisy_days(64)
    made = compiled_replanner(replan, episode.planner, episode.today.plan, episode.today.index)
    curves = made._curves.reshape(-1, POINTS)
    assert len(curves) > 64
    assert (np.diff(curves, axis=1) >= 0.0).all()


@pytest.mark.parametrize("rows", [1, 64])
def test_an_adaptive_scale_is_the_plain_one_to_the_last_bit(rows: int) -> None:
    """On days that are played out, at money that is none, usual, and more than all auctions cost."""
    episode, budgets, rng = noisy_days(rows)
    today, statistics = episode.today, episode.statistics
    plain, compiled = (
        make(Replan.ADAPTIVE, episode.planner, today.plan, today.index) for make in (replanner, compiled_replanner)
    )
    for t in range(episode.slots):
        left = budgets * rng.exponential(size=rows) * (rng.random(rows) > 0.1)
        beliefs = [made.beliefs(statistics.levels(), statistics) for made in (plain, compiled)]
        for one, other in zip(*(vars(b).values() for b in beliefs), strict=True):
            np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(compiled.scale(beliefs[1], left, t), plain.scale(beliefs[0], left, t))
        episode.play(rng.uniform(-1.0, 1.0, (rows, 3 + episode.segments)))
