"""Where scenarios are played: the forecast's own days of a preset or of a log, and held-out days of the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.errors import InvalidConfig
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.envs import seeding
from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.markets.base import Market
from bidpilot.envs.markets.defaults import synthetic_forecast, synthetic_market
from bidpilot.envs.markets.recorded.replay import RecordedMarket
from bidpilot.envs.synthetic.config import SyntheticConfig
from bidpilot.training.evaluation.catalogue import SUITES
from bidpilot.training.evaluation.suites import held_out
from bidpilot.training.simulate.config import SimulateConfig
from bidpilot.training.solve.forecast import recorded_ground

LEAST_DAYS = 4
"""Days of a log below which none are held out."""


@dataclass(frozen=True)
class Scene:
    """Days of a market, and the forecast that bids are planned by."""

    name: str
    market: Market
    forecast: Forecast
    days: DayBatch
    units: NDArray[np.int64]  # (D,) which days share something
    gains: str  # the market whose tuned gains controllers have


Pair = tuple[Scene, Scene]
"""The forecast's days, and held-out days that are bid on by the same forecast."""


def preset_scene(name: str, settings: SyntheticConfig, days: int, seed: int) -> Scene:
    """The first days of the stream that the preset's forecast was fitted on; beyond these, more of the same market."""
    market = synthetic_market(settings, seeding.LOG_TRAINING, seed)
    drawn = market.days(seeding.stream(seeding.FORECAST, seed).random((days, market.draws)))
    return Scene(name, market, synthetic_forecast(settings, seed), drawn, np.arange(days), name)


def log_scene(log: AuctionLog, days: NDArray[np.int64], forecast: Forecast) -> Scene:
    """These days of a log as they were recorded."""
    market = RecordedMarket(log, level_slots=forecast.level_slots)
    _, units = np.unique([log.days[day].unit for day in days], return_inverse=True)
    return Scene(log.name, market, forecast, market.recorded(days), units, log.digest)


def preset_checks(name: str, settings: SyntheticConfig, config: SimulateConfig) -> Iterator[Pair]:
    """Seed after seed, a preset's own days and the held-out days that the suite of its name plays in `evaluate`."""
    record = replace(SUITES[name], market=settings)
    for seed in range(config.seed, config.seed + config.checks):
        own = preset_scene(name, settings, config.days, seed)
        market, days = held_out(record, config.check_days, seed)
        yield own, replace(own, market=market, days=days, units=np.arange(len(days)))


def log_checks(log: AuctionLog, config: SimulateConfig) -> Iterator[Pair]:
    """Fold after fold, the days of a log's other units, which make the forecast, and those of the fold.

    Raises:
        InvalidConfig: the log has too few units.
    """
    names = list(dict.fromkeys(day.unit for day in log.days))
    folds = min(config.checks, len(names))
    if len(names) < LEAST_DAYS or folds < 2:
        raise InvalidConfig(
            f"--check holds out days of {log.name}, and it has {len(names)} that share nothing, in {folds} folds. Give "
            f"a log of {LEAST_DAYS} at least, and --checks 2 or more."
        )
    fold = np.array([names.index(day.unit) % folds for day in log.days])
    for held in range(folds):
        training, tested = np.flatnonzero(fold != held), np.flatnonzero(fold == held)
        forecast = recorded_ground(log, training).forecast
        yield log_scene(log, training, forecast), log_scene(log, tested, forecast)
