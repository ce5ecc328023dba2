"""Plays all scenarios on the same days, side by side in one episode."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.scalarisation import utility
from bidpilot.bidding.campaign.segments import is_tail
from bidpilot.bidding.constraints.together import score_factor
from bidpilot.bidding.kpi import CONVERSION, KPI
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.traffic.detector import detector_for
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.markets.base import Market
from bidpilot.training.experiments.arms import Arm, play_slot
from bidpilot.training.simulate.outcomes import Array, Outcomes, counted_at
from bidpilot.training.simulate.scenarios import Scenario


def play(market: Market, forecast: Forecast, days: DayBatch, scenarios: Sequence[Scenario], arm: Arm) -> Outcomes:
    """Every scenario on every day, as rows of one episode: no day or scenario waits for another.

    What days record of a budget, a target or the worth of a conversion is not asked: the scenario's campaign is played.
    Utility is by the first scenario's preference, ideal point and target, so that all can be compared.
    Rows play behind the detector of invalid traffic, as in `evaluate`, where the forecast tells sources apart.

    Raises:
        UnknownChannel, NoTailContent, InfeasibleCampaign: a scenario cannot be planned.
    """
    count, rows = len(days), len(scenarios) * len(days)
    campaigns = CampaignBatch.concatenate([CampaignBatch.repeat(s.told, count) for s in scenarios])
    episode = Episode(market, forecast, rows)
    traffic = detector_for(forecast, rows)
    observation = episode.begin(days.tiled(len(scenarios)), campaigns, traffic=traffic, replan=arm.replan)
    decide, tail = arm.starts(episode), is_tail(forecast.segments)
    wins, tail_wins, realised = np.zeros(rows), np.zeros(rows), np.zeros((rows, 3))
    for _ in range(episode.slots):
        _, observation = play_slot(episode, decide, observation)
        wins += episode.totals.wins
        tail_wins += episode.totals.segment_wins[:, tail].sum(axis=1)
        realised += episode.totals.realised
    shape = (len(scenarios), count)
    kpi = episode.kpi.reshape(*shape, len(KPI))
    rates = np.array([[s.rates] for s in scenarios])
    counted = counted_at(kpi[..., CONVERSION], realised[:, CONVERSION].reshape(shape), rates)
    scaled = np.concatenate([np.ones_like(rates), rates, rates], axis=1)[:, None, :]
    return Outcomes(
        spend=(campaigns.budget - episode.left).reshape(shape),
        kpi=kpi * scaled,
        counted=counted,
        wins=wins.reshape(shape),
        tail_wins=tail_wins.reshape(shape),
        utility=_scored(episode, kpi * scaled, campaigns.budget - episode.left),
        worth=np.array([s.campaign.conversion_value for s in scenarios]),
    )


def _scored(episode: Episode, kpi: Array, spend: Array) -> Array:
    """(K, D) utility of KPIs (K, D, 3) and spend (K D,) as the first scenario is scored."""
    today, (scenarios, count) = episode.today, kpi.shape[:2]
    first = today.campaigns.take(np.tile(np.arange(count), scenarios))
    rows, ideal = kpi.reshape(-1, len(KPI)), np.tile(today.ideal[:count], (scenarios, 1))
    scored = utility(rows, ideal, first.preference, first.kind)
    factor = score_factor(first.bounds, spend, rows)
    return np.asarray(scored if factor is None else scored * factor).reshape(scenarios, count)
