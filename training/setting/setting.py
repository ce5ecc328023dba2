"""The setting of a run: market, forecast and campaign, of a preset or of a recorded log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.errors import InvalidConfig, InvalidMarket
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.zone import Cut
from bidpilot.envs import seeding
from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.envs.markets.base import Market
from bidpilot.envs.markets.defaults import preset_campaign, preset_forecast, preset_market
from bidpilot.envs.markets.fitted.model import MODEL_FILE, CalibratedMarket, MarketModel
from bidpilot.envs.markets.forecasting import fit_forecast
from bidpilot.envs.markets.recorded.carrying import AskedCarried, CarryOver, carry_over, reference_value
from bidpilot.envs.markets.recorded.recombined import RecombinationConfig, RecombinedMarket
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
    cut: Cut | None = None  # where the days of its log begin; None: in no time zone
    recorded: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)  # (D,) bounds that days bring, by row
    carries: CarryOver | None = None  # what of a log's conversions the forecast holds; None for a preset

    @property
    def tuned_as(self) -> str:
        """What tuned gains and settings are kept under: the name of a preset, the digest of a log."""
        if self.reference_log is not None:
            return self.reference_log.digest
        return self.name if self.fitted_to is None else f"fitted:{self.fitted_to}"


def training_setting(
    market_name: str,
    log_folder: Path | None,
    seed: int,
    terms: LogTerms | None = None,
    hold_out: HoldOut | None = None,
    carries: AskedCarried = "auto",
) -> Setting:
    """The setting of the preset `market_name`, or of the log in `log_folder` where one is given.

    The folder may also hold a market that `bidpilot calibrate` made. `seed` draws a preset's log and forecast days; a
    recorded log needs none. `terms` stand in place of the default campaign's own, and say whether the days of a log
    keep the targets that they record. `hold_out` says which days of a recorded log are no training days; none where it
    is None. `carries` says what of a log's conversions the forecast holds.

    Raises:
        InvalidConfig: campaigns are to be held out that are not there, or targets left out of a preset, which has none,
            or events are named where days have no dates.
        InvalidCalendar: the file of named events cannot be read.
        InvalidMarket: no preset of that name, a log that cannot be recombined, or a market that carries something else.
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
    if terms.calendar is not None and not recorded:
        raise InvalidConfig(
            f"--calendar {terms.calendar} names events by the dates of recorded days, and nothing recorded is trained "
            "on. Give --log."
        )
    if hold_out.campaigns and not recorded:
        raise InvalidConfig(
            "--hold-out names campaigns of a recorded log, which is not what is trained on. Give --log."
        )
    if log_folder is not None and recorded:
        # Polars loads only where a log is read.
        from bidpilot.envs.logs.storage import load_log

        setting = recorded_setting(load_log(log_folder), terms, hold_out, carries)
    elif log_folder is not None:
        setting = _calibrated(log_folder, seed, terms, carries)
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


def drawn_market(market_name: str, folder: Path | None, seed: int) -> Market:
    """The market of a preset, or of the folder that `bidpilot calibrate` made; `seed` draws its training log.

    Raises:
        InvalidMarket: no preset of that name, or no such market in the folder.
    """
    if folder is None:
        return preset_market(market_name, seeding.LOG_TRAINING, seed)
    return _fitted(MarketModel.load(folder), seed)


def _fitted(model: MarketModel, seed: int) -> CalibratedMarket:
    return CalibratedMarket(model, np.random.SeedSequence([seeding.LOG_TRAINING, seed]))


def _calibrated(folder: Path, seed: int, terms: LogTerms, asked: AskedCarried) -> Setting:
    """A market that was fitted to a log, with the preference that the log itself would get."""
    model = MarketModel.load(folder)
    carries = model.record.carries
    if asked not in ("auto", carries):
        raise InvalidMarket(
            f"{folder} was calibrated for {carries} to carry over, and {asked} were asked for. Leave --carries out, or "
            f"calibrate with --carries {asked}."
        )
    market = _fitted(model, seed)
    levels = model.record.levels
    uniforms = seeding.stream(seeding.FORECAST, seed).random((_FORECAST_DAYS, market.draws))
    campaign = Campaign(
        budget=levels.budget,
        conversion_value=levels.conversion_value,
        preference=default_preference(market.log),
    )
    reference = levels.conversion_value if carries == "rates" else None
    forecast = fit_forecast(market, market.days(uniforms), reference)
    setting = Setting(
        name=model.record.name,
        market=market,
        forecast=forecast,
        campaign=terms.agreed(campaign),
        reference_log=None,
        fitted_to=model.record.log_digest,
        cut=model.record.cut,
        carries=CarryOver(carries, "as the market was calibrated"),
    )
    return _with_targets(setting, market.bounds, terms)


def recorded_setting(
    log: AuctionLog,
    terms: LogTerms | None = None,
    hold_out: HoldOut | None = None,
    carries: AskedCarried = "auto",
) -> Setting:
    """The recorded training days recombined; their own budget, worth of a conversion and target apply, as asked."""
    terms = terms or LogTerms()
    split = split_days(log, hold_out or HoldOut())
    training = [log.days[day] for day in split.training]
    how = carry_over(log, carries, split.training)
    days = RecordedMarket(log).recorded(split.training)
    campaign = Campaign(
        budget=float(np.mean([day.budget for day in training])),
        conversion_value=float(np.mean([day.conversion_value for day in training])),
        preference=default_preference(log),
    )
    market = RecombinedMarket(log, RecombinationConfig(carries=how.carries), split.training)
    worth = reference_value(log, how.carries, split.training)
    forecast = fit_forecast(market, days, worth, terms.events())
    setting = Setting(log.name, market, forecast, terms.agreed(campaign), log, split, cut=log.cut, carries=how)
    return _with_targets(setting, days.bounds, terms)


def _with_targets(setting: Setting, recorded: Mapping[str, NDArray[np.float64]], terms: LogTerms) -> Setting:
    """The setting with what its days bring of the `recorded` bounds, (D,) by row name; without them where asked."""
    if terms.targets:
        return replace(setting, recorded=applied(setting.campaign, recorded))
    return replace(setting, market=WithoutTargets(setting.market))
