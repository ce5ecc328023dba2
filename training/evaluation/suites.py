"""Suites made ready to play: markets with fixed held-out days, of other log seeds than training days come from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bidpilot.agents.gains import tuned_gains
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.errors import RunNotFound, UnknownSuite
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.envs import seeding
from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.logs.storage import load_log
from bidpilot.envs.markets.defaults import synthetic_forecast, synthetic_market
from bidpilot.envs.markets.recorded.replay import RecordedMarket
from bidpilot.envs.synthetic import SyntheticMarket
from bidpilot.training.evaluation.catalogue import DEFAULT_SUITES, EVERY, SUITES, SuiteRecord
from bidpilot.training.evaluation.play import Arena
from bidpilot.training.setting.feasible import check_feasible, check_weighed
from bidpilot.training.setting.preference import predicted_kpis
from bidpilot.training.setting.setting import Setting
from bidpilot.training.setting.terms import CampaignTerms


@dataclass(frozen=True)
class Suite:
    """A name, what plays there, and the unit that each day belongs to."""

    name: str
    gains: dict[str, dict[str, float]]  # tuned gains by agent
    arena: Arena
    units: NDArray[np.int64]  # (D,)


@dataclass(frozen=True)
class Trained:
    """What a log is played under: training's forecast and campaign, by the name of the log that was trained on."""

    name: str
    forecast: Forecast
    campaign: Campaign

    @classmethod
    def of_run(cls, run_id: str, folder: Path) -> Trained:
        """What the policy folder of a run holds.

        Raises:
            RunNotFound: the run was trained on no log.
        """
        stored = json.loads((folder / "policy.json").read_text())
        if stored["log"] is None:
            raise RunNotFound(
                f"run {run_id} was trained on {stored['setting']}, not on a log, and has no forecast for one. "
                "Train with --log first, or name a run that was."
            )
        campaign = Campaign.model_validate(stored["campaign"])
        return cls(stored["setting"], Forecast.load(folder / "forecast.npz"), campaign)


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
    record: SuiteRecord, days: int, seed: int, terms: CampaignTerms | None = None, cpa_margin: float = 0.0
) -> Suite:
    """A suite of the catalogue, ready to play.

    `terms` stand in place of its campaigns' own; `cpa_margin` is the share of a target cost that agents are not told
    of.

    Raises:
        InfeasibleCampaign: no day can keep the constraints.
    """
    market, drawn = held_out(record, days, seed)
    arena = Arena(market, suite_forecast(record), agreed_campaigns(record, terms), drawn, cpa_margin)
    return Suite(record.name, tuned_gains(record.name), arena, np.arange(days))


def agreed_campaigns(record: SuiteRecord, terms: CampaignTerms | None) -> list[Campaign]:
    """The suite's campaigns with `terms` in place of their own."""
    return [campaign if terms is None else terms.agreed(campaign) for campaign in record.campaigns]


def log_suite(folder: Path, trained: Trained, terms: CampaignTerms | None = None, cpa_margin: float = 0.0) -> Suite:
    """The recorded days of an imported log, under the forecast and campaign that a training run had.

    Every day has its own budget and worth of a conversion. `terms` stand in place of the campaign's own.

    Raises:
        ZeroIdealPoint: the preference weighs a KPI that the log or training had none of.
        UnknownChannel, InfeasibleCampaign: the constraints cannot be planned, or no day can keep them.
    """
    log = load_log(folder)
    market = RecordedMarket(log, level_slots=trained.forecast.level_slots)
    campaign = trained.campaign.model_copy(update={"budget": log.days[0].budget})
    campaign = campaign if terms is None else terms.agreed(campaign)
    check_weighed(log.name, campaign, predicted_kpis(log))
    check_feasible(trained.name, trained.forecast, campaign)
    arena = Arena(market, trained.forecast, campaign, market.recorded(np.arange(log.n_days)), cpa_margin)
    _, units = np.unique([day.unit for day in log.days], return_inverse=True)
    return Suite(log.name, tuned_gains(trained.name), arena, units)


def setting_arena(setting: Setting, days: int, domain: int, seed: int) -> Arena:
    """`days` days of one stream of a training setting's market: for validation and tuning."""
    uniforms = seeding.stream(domain, seed).random((days, setting.market.draws))
    return Arena(setting.market, setting.forecast, setting.campaign, setting.market.days(uniforms))
