"""The default setting: market, forecast and campaign where the caller names none."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.campaign.profile import named_profile
from bidpilot.bidding.errors import InvalidMarket
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.envs import seeding
from bidpilot.envs.markets.base import Market
from bidpilot.envs.markets.forecasting import fit_forecast
from bidpilot.envs.markets.presets import DEFAULT_PRESET, preset_config
from bidpilot.envs.synthetic import SyntheticMarket
from bidpilot.envs.synthetic.config import SyntheticConfig

FORECAST_DAYS = 256


@lru_cache(maxsize=4)  # a log takes some 40 MB
def synthetic_market(config: SyntheticConfig, domain: int, seed: int) -> SyntheticMarket:
    """The market of a configuration; its log is generated once for each domain and seed."""
    return SyntheticMarket(config, np.random.SeedSequence([domain, seed]))


def preset_market(name: str = DEFAULT_PRESET, domain: int = seeding.LOG_TRAINING, seed: int = 0) -> SyntheticMarket:
    """The market of a preset.

    Raises:
        InvalidMarket: no preset of that name.
    """
    return synthetic_market(preset_config(name), domain, seed)


def preset_forecast(name: str = DEFAULT_PRESET, seed: int = 0) -> Forecast:
    """The forecast of a preset.

    Raises:
        InvalidMarket: no preset of that name.
    """
    return synthetic_forecast(preset_market(name, seeding.LOG_TRAINING, seed).config, seed)


@lru_cache(maxsize=8)
def synthetic_forecast(config: SyntheticConfig, seed: int) -> Forecast:
    """The forecast of a market, from training days of its training log."""
    market = synthetic_market(config, seeding.LOG_TRAINING, seed)
    return market_forecast(market, seed, config.conversion_value)


def market_forecast(market: Market, seed: int, conversion_value: float) -> Forecast:
    """The forecast of a market from training days; conversions are held at `conversion_value`, currency."""
    uniforms = seeding.stream(seeding.FORECAST, seed).random((FORECAST_DAYS, market.draws))
    return fit_forecast(market, market.days(uniforms), conversion_value)


def preset_campaign(name: str = DEFAULT_PRESET, profile: str | None = None) -> Campaign:
    """The default campaign on a preset, with the preference of a KPI profile where one is named.

    Raises:
        InvalidMarket: no preset of that name.
        UnknownProfile: no profile of that name.
    """
    config = preset_config(name)
    campaign = Campaign(budget=config.budget, conversion_value=config.conversion_value)
    if profile is None:
        return campaign
    return campaign.model_copy(update={"preference": named_profile(profile).preference})


def default_setting(
    market: Market | str | None, forecast: Forecast | None, campaign: Campaign | str | None
) -> tuple[Market, Forecast, Campaign]:
    """A market, or a preset by name; its forecast; a campaign, or the preset's with a profile's preference by name.

    What is None is the default preset's, or that of the preset that is named.

    Raises:
        InvalidMarket: no preset of that name, or a market of one's own without its forecast.
        UnknownProfile: no profile of that name.
    """
    preset = market if isinstance(market, str) else DEFAULT_PRESET
    if market is None or isinstance(market, str):
        market = preset_market(preset)
    elif forecast is None:
        raise InvalidMarket("a market of your own needs its forecast: pass forecast=fit_forecast(market, days).")
    if campaign is None or isinstance(campaign, str):
        campaign = preset_campaign(preset, campaign)
    return market, forecast or preset_forecast(preset), campaign
