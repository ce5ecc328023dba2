"""The forecast that a file's campaigns are planned on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.campaign.profile import KpiProfile
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.envs.markets.defaults import synthetic_forecast
from bidpilot.envs.markets.forecasting import fit_forecast
from bidpilot.envs.markets.presets import PRESETS
from bidpilot.envs.markets.recorded.carrying import reference_value
from bidpilot.envs.markets.recorded.recombined import RecombinationConfig, RecombinedMarket
from bidpilot.envs.markets.recorded.replay import RecordedMarket
from bidpilot.envs.synthetic.config import SyntheticConfig
from bidpilot.training.setting.feasible import check_weighed
from bidpilot.training.solve.config import SolveConfig
from bidpilot.training.solve.files import CampaignFile, PortfolioFile


@dataclass(frozen=True)
class Ground:
    """What campaigns are planned on."""

    name: str  # of the preset or of the log
    forecast: Forecast
    note: str | None  # what became of the KPI profile; None where the file names none


def ground(config: SolveConfig, file: CampaignFile | PortfolioFile, profile: KpiProfile | None) -> Ground:
    """The forecast of the log or preset that the command line names, or else the file.

    It holds rates, so that it serves whatever a campaign's conversions are worth.

    Raises:
        InvalidLog, InvalidMarket: the folder holds no usable log.
    """
    log = config.log or (None if config.market else file.log)
    if log is not None:
        # Polars loads only where a log is read.
        from bidpilot.envs.logs.storage import load_log

        note = f"profile {file.profile}: its preference alone applies, as the log's interactions are counted already"
        return replace(recorded_ground(load_log(log)), note=note if profile else None)
    name = config.market or file.market
    note = f"profile {file.profile}: its weights make the market's interactions, its preference goes where none is set"
    forecast = synthetic_forecast(preset_settings(name, profile), config.seed)
    return Ground(name, forecast, note if profile else None)


def campaign_ground(config: SolveConfig, file: CampaignFile, profile: KpiProfile | None) -> tuple[CampaignFile, Ground]:
    """The file with the typed terms in place of its campaign's own, and what it is planned on.

    Raises:
        InvalidLog, InvalidMarket: the folder holds no usable log.
        ZeroIdealPoint: the preference weighs a KPI that the forecast has none of.
    """
    file = file.model_copy(update={"campaign": config.agreed(file.campaign)})
    on = ground(config, file, profile)
    check_weighed(on.name, file.campaign, on.forecast.landscape.mean_value > 0)
    return file, on


def preset_settings(name: str, profile: KpiProfile | None) -> SyntheticConfig:
    """The settings of a preset, whose interactions are made by the profile's weights where there is one."""
    if profile is None:
        return PRESETS[name]
    return PRESETS[name].model_copy(update={"kpi_weights": profile.weights.in_market_order()})


def recorded_ground(log: AuctionLog, days: NDArray[np.int64] | None = None) -> Ground:
    """The forecast of a log's days, or of these alone."""
    chosen = np.arange(log.n_days) if days is None else days
    market = RecombinedMarket(log, RecombinationConfig(), chosen)
    recorded, worth = RecordedMarket(log).recorded(chosen), reference_value(log, "rates", chosen.tolist())
    return Ground(log.name, fit_forecast(market, recorded, worth), None)
