"""What an agent decided, slot by slot, over days that it played: the rules that its bids come from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.traffic.detector import detector_for
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.markets.base import Market
from bidpilot.training.experiments.arms import Arm, play_slot

Array = NDArray[np.float64]
Index = NDArray[np.int64]


@dataclass(frozen=True)
class Path:
    """R days of T slots, and what they brought."""

    alpha: Array  # (T, R, 3)
    multiplier: Array  # (T, R, S)
    beta: Array  # (T, R, S)
    gate: Array | None  # (T, R, C) multiplier by source
    left: Array  # (T, R) budget before each slot
    spend: Array  # (R,)
    kpi: Array  # (R, 3) predicted of what was won
    ideal: Array  # (R, 3) the campaign's ideal point

    def bids(self, slot: Index, row: Index, value: Array, segment: Index, source: Index) -> Array:
        """(N,) bids by the rules of `slot` (N,) and day `row` (N,), never below 0 nor above what the slot began with.

        What a slot's own wins take from the budget is not looked at, nor are quotas of sources.
        """
        worth = (value * self.alpha[slot, row]).sum(axis=1)
        bids = self.multiplier[slot, row, segment] * worth + self.beta[slot, row, segment]
        if self.gate is not None:
            bids = bids * self.gate[slot, row, source]
        return np.asarray(np.clip(bids, 0.0, self.left[slot, row]))


def play(market: Market, days: DayBatch, forecast: Forecast, campaigns: CampaignBatch, arm: Arm) -> Path:
    """Play the days, and keep what was decided."""
    rows = len(days)
    episode = Episode(market, forecast, rows)
    observation = episode.begin(days, campaigns, traffic=detector_for(forecast, rows), replan=arm.replan)
    decide, kpi = arm.starts(episode), np.zeros((rows, 3))
    kept: dict[str, list[Array]] = {name: [] for name in ("alpha", "multiplier", "beta", "gate", "left")}
    for _ in range(episode.slots):
        kept["left"].append(episode.left.copy())
        rule, observation = play_slot(episode, decide, observation)
        for name, part in (("alpha", rule.alpha), ("multiplier", rule.multiplier), ("beta", rule.beta)):
            kept[name].append(part.copy())
        if rule.gate is not None:
            kept["gate"].append(rule.gate.multiplier.copy())
        kpi += episode.totals.predicted
    stacked = {name: np.stack(parts) if parts else None for name, parts in kept.items()}
    spend = campaigns.budget - episode.left
    return Path(**stacked, spend=spend, kpi=kpi, ideal=episode.today.ideal.copy())  # type: ignore[arg-type]
