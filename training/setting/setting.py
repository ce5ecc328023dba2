"""The setting of a run: market, forecast and campaign, of a preset or of a recorded log."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.errors import InvalidConfig
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.envs import seeding
from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.envs.markets.base import Market
from bidpilot.envs.markets.defaults import preset_campaign, preset_forecast, preset_market
from bidpilot.envs.markets.fitted.model import MODEL_FILE, CalibratedMarket, MarketModel
from bidpilot.envs.markets.forecasting import fit_forecast
from bidpilot.envs.markets.recorded.recombined import RecombinedMarket
from bidpilot.envs.markets.recorded.replay import RecordedMarket
from bidpilot.training.setting.feasible import check_feasible
from bidpilot.training.setting.preference import default_preference
from bidpilot.training.setting.split import HoldOut, Split, split_days
from bidpilot.training.setting.terms import CampaignTerms

_FORECAST_DAYS = 64


@dataclass(frozen=True)
class Setting:
    """What is trained in. Market and forecast come from training days alone."""

    name: str  # of the preset or of the log
    market: Market
    forecast: Forecast
    campaign: Campaign
    reference_log: AuctionLog | None  # the whole recorded log; None for a preset
    split: Split | None = None  # of the recorded log's days
    fitted_to: str | None = None  # digest of the log that a calibrated market was fitted to


def training_setting(
    market_name: str,
    log_folder: Path | None,
    seed: int,
    terms: CampaignTerms | None = None,
    hold_out: HoldOut | None = None,
) -> Setting:
    """The setting of the preset `market_name`, or of the log in `log_folder` where one is given.

    The folder may also hold a market that `bidpilot calibrate` made. `seed` draws a preset's log and forecast days; a
    recorded log needs none. `terms` stand in place of the default campaign's own. `hold_out` says which days of a
    recorded log are no training days; none where it is None.

    Raises:
        InvalidConfig: campaigns are to be held out that are not there.
        InvalidMarket: no preset of that name, or a log that cannot be recombined.
        InvalidLog: the folder holds no readable log.
        ZeroIdealPoint: the preference weighs a KPI that the setting has none of.
        UnknownChannel, InfeasibleCampaign: its constraints name what the setting lacks, or cannot be kept.
    """
    terms, hold_out = terms or CampaignTerms(), hold_out or HoldOut()
    recorded = log_folder is not None and not (log_folder / MODEL_FILE).is_file()
    if hold_out.campaigns and not recorded:
        raise InvalidConfig(
            "--hold-out names campaigns of a recorded log, which is not what is trained on. Give --log."
        )
    if log_folder is not None:
        setting = _recorded(log_folder, terms, hold_out) if recorded else _calibrated(log_folder, seed, terms)
    else:
        setting = Setting(
            name=market_name,
            market=preset_market(market_name, seeding.LOG_TRAINING, seed),
            forecast=preset_forecast(market_name, seed),
            campaign=terms.agreed(preset_campaign(market_name)),
            reference_log=None,
        )
    check_feasible(setting.name, setting.forecast, setting.campaign)
    return setting


def _calibrated(folder: Path, seed: int, terms: CampaignTerms) -> Setting:
    """A market that was fitted to a log, with the preference that the log itself would get."""
    model = MarketModel.load(folder)
    market = CalibratedMarket(model, np.random.SeedSequence([seeding.LOG_TRAINING, seed]))
    levels = model.record.levels
    uniforms = seeding.stream(seeding.FORECAST, seed).random((_FORECAST_DAYS, market.draws))
    campaign = Campaign(
        budget=levels.budget,
        conversion_value=levels.conversion_value,
        preference=default_preference(market.log),
    )
    forecast = fit_forecast(market, market.days(uniforms), levels.conversion_value)
    return Setting(model.record.name, market, forecast, terms.agreed(campaign), None, None, model.record.log_digest)


def _recorded(folder: Path, terms: CampaignTerms, hold_out: HoldOut) -> Setting:
    """The recorded training days recombined; each day's own budget, worth of a conversion and target cost apply."""
    # Polars loads only where a log is read.
    from bidpilot.envs.logs.storage import load_log

    log = load_log(folder)
    split = split_days(log, hold_out)
    training = [log.days[day] for day in split.training]
    worth = float(np.mean([day.conversion_value for day in training]))
    days = RecordedMarket(log).recorded(split.training)
    campaign = Campaign(
        budget=float(np.mean([day.budget for day in training])),
        conversion_value=worth,
        preference=default_preference(log),
    )
    market = RecombinedMarket(log, days=split.training)
    return Setting(log.name, market, fit_forecast(market, days, worth), terms.agreed(campaign), log, split)
