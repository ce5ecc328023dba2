"""The setting of a run: market, forecast and campaign, of a preset or of a recorded log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

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
from bidpilot.envs.markets.without_targets import WithoutTargets
from bidpilot.training.setting.feasible import check_feasible, check_recorded
from bidpilot.training.setting.preference import default_preference
from bidpilot.training.setting.split import HoldOut, Split, split_days
from bidpilot.training.setting.targets import applied
from bidpilot.training.setting.terms import LogTerms

_FORECAST_DAYS = 64


@dataclass(frozen=True)
class Setting:
    """What is trained in. Market and forecast come from training days alone."""

    name: str  # of the preset or of the log
    market: Market
    forecast: Forecast
    campaign: Campaign  # what is asked for; a log's days bring what they record beside it
    reference_log: AuctionLog | None  # the whole recorded log; None for a preset
    split: Split | None = None  # of the recorded log's days
    fitted_to: str | None = None  # digest of the log that a calibrated market was fitted to
    recorded: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)  # (D,) bounds that days bring, by row


def training_setting(
    market_name: str,
    log_folder: Path | None,
    seed: int,
    terms: LogTerms | None = None,
    hold_out: HoldOut | None = None,
) -> Setting:
    """The setting of the preset `market_name`, or of the log in `log_folder` where one is given.

    The folder may also hold a market that `bidpilot calibrate` made. `seed` draws a preset's log and forecast days; a
    recorded log needs none. `terms` stand in place of the default campaign's own, and say whether the days of a log
    keep the targets that they record. `hold_out` says which days of a recorded log are no training days; none where it
    is None.

    Raises:
        InvalidConfig: campaigns are to be held out that are not there, or targets left out of a preset, which has none.
        InvalidMarket: no preset of that name, or a log that cannot be recombined.
        InvalidLog: the folder holds no readable log.
        ZeroIdealPoint: the preference weighs a KPI that the setting has none of.
        UnknownChannel, InfeasibleCampaign: its constraints name what the setting lacks, or cannot be kept.
    """
    terms, hold_out = terms or LogTerms(), hold_out or HoldOut()
    if log_folder is None and not terms.targets:
        raise InvalidConfig(
            f"--no-targets leaves out what a log's days record; {market_name} records none. Give --log."
        )
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
    check_recorded(setting.name, setting.forecast, setting.campaign, setting.recorded)
    return setting


def _calibrated(folder: Path, seed: int, terms: LogTerms) -> Setting:
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
    setting = Setting(model.record.name, market, forecast, terms.agreed(campaign), None, None, model.record.log_digest)
    return _with_targets(setting, market.bounds, terms)


def _recorded(folder: Path, terms: LogTerms, hold_out: HoldOut) -> Setting:
    """The recorded training days recombined; their own budget, worth of a conversion and target apply, as asked."""
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
    setting = Setting(log.name, market, fit_forecast(market, days, worth), terms.agreed(campaign), log, split)
    return _with_targets(setting, days.bounds, terms)


def _with_targets(setting: Setting, recorded: Mapping[str, NDArray[np.float64]], terms: LogTerms) -> Setting:
    """The setting with what its days bring of the `recorded` bounds, (D,) by row name; without them where asked."""
    if terms.targets:
        return replace(setting, recorded=applied(setting.campaign, recorded))
    return replace(setting, market=WithoutTargets(setting.market))
