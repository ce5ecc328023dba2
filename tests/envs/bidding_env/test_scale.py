"""A day has no unit: money, and each KPI, multiplied by 8 change no observation and no win, not by one bit."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Campaign, Delays
from bidpilot.bidding.campaign.scalarisation import Scalarisation
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.markets.base import Market
from bidpilot.envs.markets.defaults import preset_campaign, preset_market
from bidpilot.envs.markets.forecasting import fit_forecast

ROWS = 6
MODES: dict[str, dict[str, Any]] = {
    "plain": {},
    "nash": {"scalarisation": Scalarisation.nash},
    "chebyshev": {"scalarisation": Scalarisation.chebyshev},
    "first_price": {"auction": "first"},
    "won_only": {"feedback": "won_only"},
    "delayed": {"delays": Delays(wins=2, interactions=4)},
}


class ScaledMarket:
    """The default market with its columns multiplied."""

    def __init__(self, price: float = 1.0, kpi: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> None:
        base = preset_market()
        log = base.log
        columns = {"market_price": log.market_price * np.float32(price)}
        for name, factor in zip(("exposure", "interaction", "conversion"), kpi, strict=True):
            for column in (name, f"true_{name}"):
                columns[column] = getattr(log, column) * np.float32(factor)
        self.log = _Columns(log, columns)
        self.base = base
        self.slots, self.draws, self.level_slots = base.slots, base.draws, base.level_slots
        self.draws_outcomes, self.digest = True, "scaled"

    def days(self, uniforms: NDArray[np.float64]) -> DayBatch:
        return self.base.days(uniforms)


class _Columns:
    """A log with some columns replaced, unchecked: scaled KPI leave their range."""

    def __init__(self, log: AuctionLog, columns: dict[str, NDArray[np.float32]]) -> None:
        self._log, self._columns = log, columns

    def __getattr__(self, name: str) -> object:
        return self._columns[name] if name in self._columns else getattr(self._log, name)


def _observed(market: ScaledMarket, campaign: Campaign) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Observations (T + 1, B, F) and wins (T, B) of whole days under random actions."""
    random = np.random.default_rng
    training = market.days(random(1).random((8, market.draws)))
    forecast = fit_forecast(cast("Market", market), training, campaign.conversion_value)
    episode = Episode(cast("Market", market), forecast, ROWS)
    days = market.days(random(5).random((ROWS, market.draws)))
    observations, wins = [episode.begin(days, CampaignBatch.repeat(campaign, ROWS))], []
    for action in random(2).uniform(-0.3, 0.3, (48, ROWS, 11)):
        observations.append(episode.play(action))
        wins.append(episode.totals.wins.copy())
    assert np.array(wins).sum() > 1000
    return np.array(observations), np.array(wins)


def _same(one: ScaledMarket, campaign: Campaign, other: ScaledMarket, scaled: Campaign) -> None:
    (observations, wins), (other_observations, other_wins) = _observed(one, campaign), _observed(other, scaled)
    np.testing.assert_array_equal(other_wins, wins)
    np.testing.assert_array_equal(other_observations, observations)


@pytest.mark.parametrize("mode", MODES)
def test_prices_budget_and_conversion_value_times_8_change_nothing(mode: str) -> None:
    campaign = preset_campaign().model_copy(update=MODES[mode])
    money = {name: getattr(campaign, name) * 8 for name in ("budget", "conversion_value")}
    _same(ScaledMarket(), campaign, ScaledMarket(price=8.0), campaign.model_copy(update=money))


def test_a_cpa_target_is_money_too() -> None:
    campaign = preset_campaign().model_copy(update={"max_cpa": 3.0})
    money = {name: getattr(campaign, name) * 8 for name in ("budget", "conversion_value", "max_cpa")}
    _same(ScaledMarket(), campaign, ScaledMarket(price=8.0), campaign.model_copy(update=money))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "kpi", [(8.0, 1.0, 1.0), (1.0, 8.0, 1.0), (1.0, 1.0, 8.0)], ids=["exposure", "interaction", "conversion"]
)
def test_a_kpi_column_times_8_changes_nothing(mode: str, kpi: tuple[float, float, float]) -> None:
    campaign = preset_campaign().model_copy(update=MODES[mode])
    _same(ScaledMarket(), campaign, ScaledMarket(kpi=kpi), campaign)
