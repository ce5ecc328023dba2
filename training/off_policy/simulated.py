"""Served, censored logs and candidate policies in the simulator, where the truth is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bidpilot.agents.acting.controllers import CONTROLLERS
from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.envs import seeding
from bidpilot.envs.clearing.day import materialise
from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.markets.defaults import synthetic_forecast, synthetic_market
from bidpilot.envs.markets.presets import DAILY
from bidpilot.envs.synthetic import SyntheticMarket
from bidpilot.envs.synthetic.config import SyntheticConfig
from bidpilot.training.experiments.arms import Arm, named_arm
from bidpilot.training.off_policy.candidate import Candidate
from bidpilot.training.off_policy.estimators import Array, Tries
from bidpilot.training.off_policy.path import play
from bidpilot.training.off_policy.served import ServedLog
from bidpilot.training.simulate.scenarios import moved

_MOVED = 0.3  # of a preference's weight, at most


@dataclass(frozen=True)
class Ground:
    """A market, what is forecast of it, and who serves the log there."""

    market: SyntheticMarket
    forecast: Forecast
    campaign: Campaign
    logger: Arm

    @classmethod
    def of(cls, settings: SyntheticConfig) -> Ground:
        """A market whose log is held out from the forecast, with its default campaign, served by `mpc`."""
        market = synthetic_market(settings, seeding.LOG_HELD_OUT, 0)
        campaign = Campaign(budget=settings.budget, conversion_value=settings.conversion_value, feedback="won_only")
        return cls(market, synthetic_forecast(settings, 0), campaign, named_arm("mpc", "daily", ""))

    def days(self, count: int, rng: np.random.Generator) -> DayBatch:
        """Days of the market."""
        return self.market.days(rng.random((count, self.market.draws)))

    def candidate(self, rng: np.random.Generator, spread: float) -> Candidate:
        """A controller at random, whose bids are scaled and whose preference is moved."""
        name = str(rng.choice(list(CONTROLLERS)))
        factor = float(np.exp(spread * rng.normal()))
        preference = moved(self.campaign.preference, int(rng.integers(3)), _MOVED * float(rng.random()) + 1e-6)
        campaign = self.campaign.model_copy(update={"preference": preference})
        return Candidate(self.forecast, campaign, named_arm(f"{name}*{factor:.3f}", "daily", ""))

    def truth(self, candidate: Candidate, days: DayBatch) -> tuple[Array, Array]:
        """What a candidate spends (D,), and the KPIs (D, 3) predicted of what it wins."""
        campaigns = CampaignBatch.repeat(candidate.campaign, len(days))
        path = play(self.market, days, candidate.forecast, campaigns, candidate.arm)
        return path.spend, path.kpi

    def served(self, days: DayBatch, factors: Array, shares: Array, rng: np.random.Generator) -> ServedLog:
        """The log of days that the logger served, each bid times a factor at random; prices are told of wins alone.

        Bids are by the rules that it decides on without exploring. Where a day's money is spent, nothing more is bid:
        such auctions are in the log with bids of 0.
        """
        path = play(self.market, days, self.forecast, CampaignBatch.repeat(self.campaign, len(days)), self.logger)
        parts = [materialise(self.market, days, row) for row in range(len(days))]
        day = np.repeat(np.arange(len(days)), [len(part.slot) for part in parts])
        slot, segment, source = (
            np.concatenate([getattr(part, name) for part in parts]).astype(np.int64)
            for name in ("slot", "segment", "source")
        )
        value = np.concatenate([part.predicted for part in parts]).astype(np.float64)
        price = np.concatenate([part.price for part in parts]).astype(np.float64)
        bid = path.bids(slot, day, value, segment, source)
        kept = bid > 0
        day, slot, segment, source = (column[kept] for column in (day, slot, segment, source))
        value, price, bid = (column[kept] for column in (value, price, bid))
        levels = bid[:, None] * factors
        drawn = rng.choice(len(factors), len(bid), p=shares)
        won = levels[np.arange(len(bid)), drawn] >= price
        paid = np.cumsum(np.where(won, price, 0.0))
        first = np.searchsorted(day, np.arange(len(days)))
        broke = paid - np.concatenate([[0.0], paid])[first][day] > self.campaign.budget
        won &= ~broke
        levels[broke] = 0.0
        edges = np.searchsorted(day * self.market.slots + slot, np.arange(len(days) * self.market.slots + 1))
        offsets = edges[np.arange(len(days))[:, None] * self.market.slots + np.arange(self.market.slots + 1)]
        return ServedLog(
            name="simulated",
            segments=self.forecast.segments,
            dates=tuple(f"day {row}" for row in range(len(days))),
            offsets=offsets,
            value=value,
            segment=segment,
            source=source,
            tries=Tries(levels, shares, drawn, np.where(won, price, np.nan)),
            won=won,
            cost=np.where(won, price, 0.0),
            budget=np.full(len(days), self.campaign.budget),
            worth=np.full(len(days), self.campaign.conversion_value),
        )


def daily_ground(auctions: float) -> Ground:
    """`daily` with so many auctions per slot, and a budget in proportion."""
    share = auctions / DAILY.auctions_per_slot
    return Ground.of(DAILY.model_copy(update={"auctions_per_slot": auctions, "budget": DAILY.budget * share}))
