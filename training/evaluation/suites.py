"""Suites made ready to play: markets with fixed held-out days, of other log seeds than training days come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bidpilot.agents.gains import row_gains
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.errors import InvalidConfig, UnknownSuite
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.envs import seeding
from bidpilot.envs.answering.market import rival_forecast, rival_market
from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.markets.base import Market
from bidpilot.envs.markets.defaults import synthetic_forecast, synthetic_market
from bidpilot.envs.markets.mixed import MixedMarket
from bidpilot.envs.markets.recorded.replay import RecordedMarket
from bidpilot.envs.markets.support import Support
from bidpilot.envs.markets.worlds import WORLDS, days_in_turn, worlds_market
from bidpilot.envs.synthetic import SyntheticMarket
from bidpilot.training.evaluation.catalogue import DEFAULT_SUITES, EVERY, SUITES, SuiteRecord
from bidpilot.training.evaluation.ground import Trained, TrainingPart
from bidpilot.training.evaluation.in_a_row import SequenceArena
from bidpilot.training.evaluation.play import Arena
from bidpilot.training.evaluation.traffic import FilterOf, detected
from bidpilot.training.setting.feasible import check_feasible, check_recorded, check_weighed
from bidpilot.training.setting.preference import predicted_kpis
from bidpilot.training.setting.setting import Setting
from bidpilot.training.setting.split import thinned
from bidpilot.training.setting.targets import NONE, applied, rule_of
from bidpilot.training.setting.terms import CampaignTerms, LogTerms


@dataclass(frozen=True)
class Suite:
    """A name, what plays there, and the unit that each day belongs to."""

    name: str
    gains: dict[str, dict[str, float]]  # by the name of the row that plays with them
    arena: Arena
    units: NDArray[np.int64]  # (D,)
    part: TrainingPart | None = None  # what a log's forecast was fitted on; None for a suite of the catalogue
    other_market: bool = False  # whether that is of another market
    trained_on: NDArray[np.bool_] | None = None  # (D,) the days that the forecast was fitted on; None: none of them

    @property
    def kept_units(self) -> NDArray[np.int64]:
        """Of the days that are played, (K,)."""
        return self.units[self.arena.kept]

    @property
    def reference(self) -> NDArray[np.float64]:
        """R* of the days that are played, (K,)."""
        return self.arena.reference

    @property
    def at_first_price(self) -> bool:
        """Whether some day is at first price."""
        return self.arena.at_first_price

    def days_trained_on(self, also: NDArray[np.bool_] | None = None) -> int:
        """Of the days that are played, how many the forecast was fitted on, or a policy that has seen `also` (D,)."""
        none = np.zeros(len(self.units), np.bool_)
        seen = (none if self.trained_on is None else self.trained_on) | (none if also is None else also)
        return int(seen[self.arena.kept].sum())


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


def held_out(record: SuiteRecord, days: int, seed: int) -> tuple[Market, DayBatch]:
    """The suite's market with its held-out log, and the first `days` of its days."""
    if record.rivals is not None:
        rivals = rival_market(record.rivals, seeding.LOG_HELD_OUT, seed)
        return rivals, rivals.days(_uniforms(record, rivals, days, seed))
    if record.around is not None:
        seeds = np.random.SeedSequence([seeding.LOG_HELD_OUT, seed])
        worlds = worlds_market(record.around, seeds, Support.HELD_OUT, record.together, own_share=0.0)
        return worlds, days_in_turn(worlds, _uniforms(record, worlds, days, seed), record.together)
    market = synthetic_market(record.market, seeding.LOG_HELD_OUT, seed)
    return market, market.days(_uniforms(record, market, days, seed))


def sequences_held_out(record: SuiteRecord, days: int, seed: int) -> tuple[SyntheticMarket, list[DayBatch]]:
    """The same days as whole sequences of days in a row: day k of every sequence, one batch for each k."""
    market = synthetic_market(record.market, seeding.LOG_HELD_OUT, seed)
    length = min(record.in_a_row, days)
    uniforms = _uniforms(record, market, days // length * length, seed)
    return market, [market.days(uniforms[k::length]) for k in range(length)]


def _uniforms(record: SuiteRecord, market: Market, days: int, seed: int) -> NDArray[np.float64]:
    """What the suite's first `days` days are made from, (days, draws): a stream of its own name."""
    return seeding.stream(seeding.suite_domain(record.name), seed).random((days, market.draws))


def suite_forecast(record: SuiteRecord) -> Forecast:
    """The forecast that agents have on a suite: of the default training log, whatever the suite's seed."""
    return synthetic_forecast(record.forecast, 0) if record.rivals is None else rival_forecast(record.rivals)


def synthetic_suite(
    record: SuiteRecord,
    days: int,
    seed: int,
    terms: CampaignTerms | None = None,
    cpa_margin: float = 0.0,
    filter_of: FilterOf = detected,
    threads: int = 1,
) -> Suite:
    """A suite of the catalogue, ready to play.

    `terms` stand in place of its campaigns' own; `cpa_margin` is the share of a target cost that agents are not told
    of; `filter_of` makes the filter of traffic that they play behind; auctions are cleared on `threads`. Days in a row
    are whole sequences, as many as `days` hold; those of one sequence share what the filter has learnt, and are one
    unit. Where days take turns in worlds, each world has as many and is one unit; `days` are rounded down to that, and
    are one in each at least.

    Raises:
        InfeasibleCampaign: no day can keep the constraints.
    """
    campaigns, forecast = agreed_campaigns(record, terms), suite_forecast(record)
    gains = row_gains(record.gains)
    if record.in_a_row == 1:
        rounds = max(days // record.together, 1)
        market, drawn = held_out(record, rounds * record.together, seed)
        arena = Arena(market, forecast, campaigns, drawn, cpa_margin, filter_of, threads)
        units = np.arange(len(drawn)) if record.around is None else np.tile(np.arange(record.together), rounds)
        return Suite(record.name, gains, arena, units)
    market, turns = sequences_held_out(record, days, seed)
    sequences = SequenceArena(market, forecast, campaigns, turns, cpa_margin, filter_of, threads)
    return Suite(record.name, gains, sequences, np.tile(np.arange(len(turns[0])), len(turns)))


def agreed_campaigns(record: SuiteRecord, terms: CampaignTerms | None) -> list[Campaign]:
    """The suite's campaigns with `terms` in place of their own."""
    return [campaign if terms is None else terms.agreed(campaign) for campaign in record.campaigns]


def log_suite(
    log: AuctionLog,
    trained: Trained,
    terms: LogTerms | None = None,
    cpa_margin: float = 0.0,
    filter_of: FilterOf = detected,
    threads: int = 1,
) -> Suite:
    """The recorded days of an imported log, under the forecast and campaign that a training had.

    Every day has its own budget, worth of a conversion and, where the campaign asks for no target, target cost.
    `terms` stand in place of the campaign's own and say whether the days keep their targets; where None, training did.
    Events that they name stand in place of those that the forecast was made with.

    Raises:
        InvalidCalendar: the file of named events cannot be read.
        InvalidConfig: a margin, and no day has a target.
        ZeroIdealPoint: the preference weighs a KPI that the log or training had none of.
        UnknownChannel, InfeasibleCampaign: the constraints cannot be planned, or no day can keep them.
    """
    campaign = trained.campaign.model_copy(update={"budget": log.days[0].budget})
    campaign = campaign if terms is None else terms.agreed(campaign)
    forecast = trained.forecast
    if terms is not None and terms.calendar is not None:
        forecast = forecast.with_events(terms.events())
    check_weighed(log.name, campaign, predicted_kpis(log))
    check_feasible(trained.name, forecast, campaign)
    targets = trained.targets if terms is None else terms.targets
    other_market = bool(trained.strangeness(log))
    lineage = trained.part.lineage
    gains = {} if other_market or lineage.held_out else row_gains(lineage.log)
    arena = log_arena(log, forecast, campaign, targets, cpa_margin, filter_of, threads)
    _, units = np.unique([day.unit for day in log.days], return_inverse=True)
    return Suite(log.name, gains, arena, units, trained.part, other_market, trained.part.seen(log))


def log_arena(
    log: AuctionLog,
    forecast: Forecast,
    campaign: Campaign,
    targets: bool = True,
    cpa_margin: float = 0.0,
    filter_of: FilterOf = detected,
    threads: int = 1,
) -> Arena:
    """All days of a log as they were, for agents with this forecast; `targets`: with the target costs that they record.

    Raises:
        InvalidConfig: a margin, and no day has a target.
        InfeasibleCampaign: no day can keep the constraints, or the forecast has nothing to buy at a day's target.
    """
    market = RecordedMarket(log, level_slots=forecast.level_slots)
    days = market.recorded(np.arange(log.n_days))
    days = days if targets else days.without_targets()
    check_recorded(log.name, forecast, campaign, applied(campaign, days.bounds))
    if cpa_margin > 0 and rule_of(campaign, days.bounds) == NONE:
        raise InvalidConfig(
            f"a margin of {cpa_margin:g} needs a target cost, and no day of {log.name} has one. Add --max-cpa, or play "
            "a log that records targets."
        )
    return Arena(market, forecast, campaign, days, cpa_margin, filter_of, threads)


def setting_arena(setting: Setting, days: int, domain: int, seed: int, filter_of: FilterOf = detected) -> Arena:
    """`days` days of one stream of a training setting's market: for validation and tuning."""
    uniforms = seeding.stream(domain, seed).random((days, setting.market.draws))
    drawn = setting.market.days(uniforms)
    return Arena(setting.market, setting.forecast, setting.campaign, drawn, filter_of=filter_of)


def validation_arena(
    setting: Setting, days: int, seed: int, filter_of: FilterOf = detected, worlds: bool = False
) -> Arena:
    """What a training is validated on: the recorded days that it holds out, `days` at most; drawn days without them.

    With `worlds` half of a preset's drawn days are of held-out worlds, which no suite and no verdict has.
    """
    if setting.split is not None and setting.split.choosing:
        return recorded_arena(setting, thinned(setting.split.choosing, days), filter_of)
    if not worlds:
        return setting_arena(setting, days, seeding.VALIDATION, seed, filter_of)
    seeds = np.random.SeedSequence([seeding.VALIDATION_WORLDS, seed])
    market = worlds_market(setting.name, seeds, Support.HELD_OUT, min(WORLDS, days))
    drawn = market.days(seeding.stream(seeding.VALIDATION_WORLDS, seed).random((days, market.draws)))
    return Arena(market, setting.forecast, setting.campaign, drawn, filter_of=filter_of)


def validation_units(setting: Setting, arena: Arena) -> NDArray[np.int64]:
    """What each played day of a validation shares with others (K,): a log's unit or a world of its own; else itself."""
    units = np.arange(len(arena.days))
    if setting.split is not None and setting.split.choosing and setting.reference_log is not None:
        days = thinned(setting.split.choosing, len(units))
        _, units = np.unique([setting.reference_log.days[day].unit for day in days], return_inverse=True)
    elif isinstance(arena.market, MixedMarket) and arena.days.uniforms is not None:
        world = arena.market.market_of(arena.days.uniforms)
        units = np.where(world == 0, units, len(units) + world)  # the first is the preset, whose days share nothing
    return units[arena.kept]


def recorded_arena(setting: Setting, days: Sequence[int], filter_of: FilterOf = detected) -> Arena:
    """These days of a training setting's log, as they were recorded; with their targets where training has them."""
    assert setting.reference_log is not None
    market = RecordedMarket(setting.reference_log, setting.forecast.level_slots)
    recorded = market.recorded(days)
    recorded = recorded if setting.recorded else recorded.without_targets()
    return Arena(market, setting.forecast, setting.campaign, recorded, filter_of=filter_of)


def worlds_arena(
    setting: Setting, days: int, domain: int, seed: int, worlds: int, filter_of: FilterOf = detected
) -> Arena:
    """Held-out worlds around a training setting's preset, of logs and days that no suite has: for what is chosen.

    Day d plays in world d modulo `worlds`; `days` are rounded down to as many in each, one at least. `domain` is that
    of their random streams.

    Raises:
        InvalidMarket: the setting is no preset's, or no worlds.
    """
    seeds = np.random.SeedSequence([domain, seed])
    market = worlds_market(setting.name, seeds, Support.HELD_OUT, worlds, own_share=0.0)
    rounds = max(days // worlds, 1)
    uniforms = seeding.stream(domain, seed).random((rounds * worlds, market.draws))
    drawn = days_in_turn(market, uniforms, worlds)
    return Arena(market, setting.forecast, setting.campaign, drawn, filter_of=filter_of)
