"""Suites: named markets with fixed held-out days, of other log seeds than training days come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bidpilot.agents.gains import tuned_gains
from bidpilot.bidding.campaign import Campaign
from bidpilot.bidding.errors import UnknownSuite
from bidpilot.bidding.forecast import Forecast
from bidpilot.envs import seeding
from bidpilot.envs.defaults import preset_campaign, preset_forecast, preset_market
from bidpilot.envs.logs.storage import load_log
from bidpilot.envs.presets import PRESETS
from bidpilot.envs.replay import RecordedMarket
from bidpilot.training.evaluation.play import Arena
from bidpilot.training.setting import Setting


@dataclass(frozen=True)
class Suite:
    """A name, what plays there, and the unit that each day belongs to."""

    name: str
    gains: dict[str, dict[str, float]]  # tuned gains by agent
    arena: Arena
    units: NDArray[np.int64]  # (D,)


def preset_suite(name: str, days: int, seed: int, limits: Mapping[str, float] | None = None) -> Suite:
    """A synthetic suite: a held-out log, days of the suite's own stream; the forecast is training's.

    `limits` are fields of the campaign, its `max_cpa` say.

    Raises:
        UnknownSuite: no such preset.
    """
    if name not in PRESETS:
        raise UnknownSuite(f"no suite is called {name!r}. Use one of: {', '.join(PRESETS)}, or --log FOLDER.")
    market = preset_market(name, seeding.LOG_HELD_OUT, seed)
    uniforms = seeding.stream(seeding.suite_domain(name), seed).random((days, market.draws))
    arena = Arena(market, preset_forecast(name), _limited(preset_campaign(name), limits), market.days(uniforms))
    return Suite(name, tuned_gains(name), arena, np.arange(days))


def log_suite(
    folder: Path, training: Callable[[], tuple[str, Forecast]], limits: Mapping[str, float] | None = None
) -> Suite:
    """The recorded days of an imported log, under a forecast that training made. Preference (0, 0, 1)."""
    log = load_log(folder)
    name, forecast = training()
    market = RecordedMarket(log, level_slots=forecast.level_slots)
    campaign = _limited(Campaign(budget=log.days[0].budget, preference=(0.0, 0.0, 1.0)), limits)
    arena = Arena(market, forecast, campaign, market.recorded(np.arange(log.n_days)))
    _, units = np.unique([day.unit for day in log.days], return_inverse=True)
    return Suite(log.name, tuned_gains(name, recorded=True), arena, units)


def _limited(campaign: Campaign, limits: Mapping[str, float] | None) -> Campaign:
    return Campaign(**{**campaign.model_dump(), **(limits or {})})


def setting_arena(setting: Setting, days: int, domain: int, seed: int) -> Arena:
    """`days` days of one stream of a training setting's market: for validation and tuning."""
    uniforms = seeding.stream(domain, seed).random((days, setting.market.draws))
    return Arena(setting.market, setting.forecast, setting.campaign, setting.market.days(uniforms))
