"""Suites made ready to play: markets with fixed held-out days, of other log seeds than training days come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bidpilot.agents.gains import tuned_gains
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.errors import UnknownSuite
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.envs import seeding
from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.logs.storage import load_log
from bidpilot.envs.markets.defaults import synthetic_forecast, synthetic_market
from bidpilot.envs.markets.recorded.replay import RecordedMarket
from bidpilot.envs.synthetic import SyntheticMarket
from bidpilot.training.evaluation.catalogue import DEFAULT_SUITES, EVERY, SUITES, SuiteRecord
from bidpilot.training.evaluation.play import Arena
from bidpilot.training.setting import Setting


@dataclass(frozen=True)
class Suite:
    """A name, what plays there, and the unit that each day belongs to."""

    name: str
    gains: dict[str, dict[str, float]]  # tuned gains by agent
    arena: Arena
    units: NDArray[np.int64]  # (D,)


def named_suites(names: tuple[str, ...], default: tuple[str, ...] = DEFAULT_SUITES) -> list[SuiteRecord]:
    """The records of these names, each once; `default` where there are none, every suite for `all`.

    Raises:
        UnknownSuite: no such suite.
    """
    for name in names:
        if name not in SUITES and name != EVERY:
            raise UnknownSuite(
                f"no suite is called {name!r}. Use {', '.join(SUITES)}, {EVERY} for all of them, or --log FOLDER."
            )
    chosen = names or default
    chosen = tuple(SUITES) if EVERY in chosen else chosen
    return [SUITES[name] for name in dict.fromkeys(chosen)]


def held_out(record: SuiteRecord, days: int, seed: int) -> tuple[SyntheticMarket, DayBatch]:
    """The suite's market with its held-out log, and the first `days` of its days."""
    market = synthetic_market(record.market, seeding.LOG_HELD_OUT, seed)
    uniforms = seeding.stream(seeding.suite_domain(record.name), seed).random((days, market.draws))
    return market, market.days(uniforms)


def suite_forecast(record: SuiteRecord) -> Forecast:
    """The forecast that agents have on a suite: of the default training log, whatever the suite's seed."""
    return synthetic_forecast(record.forecast, 0)


def synthetic_suite(
    record: SuiteRecord,
    days: int,
    seed: int,
    limits: Mapping[str, float] | None = None,
    cpa_margin: float = 0.0,
) -> Suite:
    """A suite of the catalogue, ready to play.

    `limits` are fields of its campaigns, their `max_cpa` say, in place of their own; `cpa_margin` is the share of a
    target cost that agents are not told of.

    Raises:
        InfeasibleCampaign: no day can keep the constraints.
    """
    market, drawn = held_out(record, days, seed)
    campaigns = [_limited(campaign, limits) for campaign in record.campaigns]
    arena = Arena(market, suite_forecast(record), campaigns, drawn, cpa_margin)
    return Suite(record.name, tuned_gains(record.name), arena, np.arange(days))


def log_suite(
    folder: Path,
    training: Callable[[], tuple[str, Forecast]],
    limits: Mapping[str, float] | None = None,
    cpa_margin: float = 0.0,
) -> Suite:
    """The recorded days of an imported log, under a forecast that training made. Preference (0, 0, 1)."""
    log = load_log(folder)
    name, forecast = training()
    market = RecordedMarket(log, level_slots=forecast.level_slots)
    campaign = _limited(Campaign(budget=log.days[0].budget, preference=(0.0, 0.0, 1.0)), limits)
    arena = Arena(market, forecast, campaign, market.recorded(np.arange(log.n_days)), cpa_margin)
    _, units = np.unique([day.unit for day in log.days], return_inverse=True)
    return Suite(log.name, tuned_gains(name, recorded=True), arena, units)


def _limited(campaign: Campaign, limits: Mapping[str, float] | None) -> Campaign:
    return Campaign(**{**campaign.model_dump(), **(limits or {})})


def setting_arena(setting: Setting, days: int, domain: int, seed: int) -> Arena:
    """`days` days of one stream of a training setting's market: for validation and tuning."""
    uniforms = seeding.stream(domain, seed).random((days, setting.market.draws))
    return Arena(setting.market, setting.forecast, setting.campaign, setting.market.days(uniforms))
