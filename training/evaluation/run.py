"""`bidpilot evaluate`: agents on suites, R / R* with intervals, and paired differences; or their fronts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from rich.console import Console

from bidpilot.agents.acting.controllers import MPC
from bidpilot.agents.learners.catalogue import DEFAULT
from bidpilot.bidding.campaign.batch import has_soft_bound
from bidpilot.bidding.errors import InvalidConfig
from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.training.cli.config import changed
from bidpilot.training.evaluation.catalogue import DEFAULT_SUITES, SuiteRecord
from bidpilot.training.evaluation.config import EvaluateConfig
from bidpilot.training.evaluation.contestants import (
    Contestant,
    check_law_known,
    check_names,
    traffic_references,
)
from bidpilot.training.evaluation.entered import entered
from bidpilot.training.evaluation.gains_told import gains_told
from bidpilot.training.evaluation.ground import Trained
from bidpilot.training.evaluation.names import ALL_AGENTS
from bidpilot.training.evaluation.preference_front import front_rows, play_front, preference_grid
from bidpilot.training.evaluation.record import Record, conditions, evaluation_name, metric_names, parent
from bidpilot.training.evaluation.rows import agent_rows, marked, pair_rows
from bidpilot.training.evaluation.spread import SuitePlayed, made, play_suite, played_by_workers
from bidpilot.training.evaluation.suites import Suite, agreed_campaigns, log_suite, named_suites, suite_forecast
from bidpilot.training.evaluation.traffic import behind
from bidpilot.training.report.comparison import Interval, interval_plot
from bidpilot.training.report.preference_front import preference_front_plot
from bidpilot.training.report.profile import performance_profile
from bidpilot.training.report.progress import steps, waiting
from bidpilot.training.report.tables import (
    AgentRow,
    PairRow,
    PreferenceFrontRow,
    pairs_against,
    print_preference_fronts,
    print_tables,
    short_name,
)
from bidpilot.training.setting.feasible import check_feasible
from bidpilot.training.setting.targets import NONE, rule_of
from bidpilot.training.setting.terms import own_terms
from bidpilot.training.tracking import Run, open_run
from bidpilot.training.tracking.metrics import held_out

_FRONT_SUITES = ("daily",)
ROWS_FILE = "evaluation.json"


def run(config: EvaluateConfig) -> None:
    """Play every agent on every suite, or for every preference of a front; print, log and write the rows.

    Raises:
        InvalidConfig, UnknownAgent, UnknownSuite, UnknownLaw, RunNotFound, PolicyMismatch, ForecastMismatch: before
            anything is played.
        ZeroIdealPoint, UnknownChannel, InfeasibleCampaign: likewise, of the terms that were asked for.
    """
    _check(config)
    if config.log is not None:
        check_law_known(config.agents, str(config.log))
    records = named_suites(config.suites, _FRONT_SUITES if config.front else DEFAULT_SUITES)
    if config.cpa_margin > 0 and config.log is None and not _targeted(config, records):
        raise InvalidConfig(
            f"a margin of {config.cpa_margin:g} needs a target cost, and no campaign has one. Add --suites cpa or "
            "--max-cpa."
        )
    named = config.agents or ((DEFAULT,) if config.front else ALL_AGENTS)
    check_names(named)
    log = _log(config)
    contestants, trained = entered(named, config.experiment, records, log, config.forecast)
    console = Console()
    rows: Sequence[AgentRow | PairRow | PreferenceFrontRow]
    params, suites = (_params(config), ()) if config.front else _suites(config, records, log, trained)
    on = [record.name for record in records] if log is None else [log.name]
    params |= {"agents": " ".join(contestant.name for contestant in contestants), "suites": " ".join(on)}
    tags = (
        _tags(contestants, trained)
        | parent(contestants)
        | {"traffic_filter": "detector" if config.traffic_filter else "none"}
    )
    name = evaluation_name(config, contestants, on)
    with open_run(config.experiment, name, params, tags, kind="evaluate", config=config) as tracked:
        console.print(f"run {tracked.run_id}: {name}")
        if config.front:
            rows = _fronts(config, records, contestants, tracked, console)
        else:
            rows = _comparison(config, suites, contestants, tracked, console)
    if config.json_file is not None:
        config.json_file.parent.mkdir(parents=True, exist_ok=True)
        config.json_file.write_text(json.dumps(rows, indent=1) + "\n")
        console.print(f"rows written to {config.json_file}")


def _log(config: EvaluateConfig) -> AuctionLog | None:
    """The log that is played; None where suites are."""
    if config.log is None:
        return None
    # Polars loads only where a log is read.
    from bidpilot.envs.logs.storage import load_log

    return load_log(config.log)


def _tags(contestants: Sequence[Contestant], trained: Trained | None) -> dict[str, str]:
    """By which an evaluation is found again: the runs that it played, and whose forecast."""
    tags = {"source_run": ",".join(run for contestant in contestants for run in contestant.runs) or "none"}
    tags |= parent(contestants)
    if trained is not None:
        tags |= {"forecast": str(trained.part), "forecast_run": trained.part.run or "none"}
    return tags


def _mark_tags(rows: Sequence[AgentRow]) -> dict[str, str]:
    """What the rows' marks come to: the most days that were trained on, and who was made for another market."""
    foreign = [row["agent"] for row in rows if row.get("other_market")]
    trained_on = max((row.get("trained_on", 0) for row in rows), default=0)
    return {"trained_on": str(trained_on), "other_market": " ".join(dict.fromkeys(foreign)) or "none"}


def _check(config: EvaluateConfig) -> None:
    if config.front and not config.spread().here:
        raise InvalidConfig("a front is played by this process alone: leave --workers and --backend out, or --front.")
    if config.forecast is not None and config.log is None:
        raise InvalidConfig(
            f"--forecast {config.forecast} is for a log; suites have forecasts of their own. Give --log too, or leave "
            "it out."
        )
    if config.log is not None and (config.front or config.suites):
        asked = "--front" if config.front else f"--suites {' '.join(config.suites)}"
        raise InvalidConfig(f"--log is a suite of its own, which has no front; got {asked} too. Give one of them.")
    if config.log is None and not config.targets:
        raise InvalidConfig("--no-targets leaves out what a log's days record, and no log is played. Give --log.")
    if config.log is None and config.calendar is not None:
        raise InvalidConfig(
            f"--calendar {config.calendar} names events by the dates of recorded days, and none are played. Give --log."
        )
    if config.front and config.terms():
        raise InvalidConfig(
            f"a front is played for preferences of its own, without constraints; got {', '.join(config.terms())}. "
            "Leave them out."
        )


def _comparison(
    config: EvaluateConfig,
    suites: Sequence[SuiteRecord | Suite],
    contestants: Sequence[Contestant],
    tracked: Run,
    console: Console,
) -> list[AgentRow | PairRow]:
    """Rows of every agent on every suite, printed, drawn and logged; pairs of agents, not of their single seeds."""
    rows: list[AgentRow] = []
    pairs: list[PairRow] = []
    profiles, gains = {}, {}
    seeds = {contestant.name: contestant.seeds for contestant in contestants}
    record = Record(tracked, ROWS_FILE, *conditions(config))
    for played in _played(config, suites, contestants, console):
        for line in played.told:
            console.print(line, soft_wrap=True)
        whole = {contestant.name: played.outcomes[contestant.name] for contestant in played.present}
        found = (
            marked(agent_rows(played, played.outcomes, seeds, config.seed), played.marks),
            pair_rows(played, whole, config.seed),
        )
        record.suite(played, played.present, played.outcomes, *found)
        rows += found[0]
        pairs += found[1]
        gains[played.name] = played.gains
        profiles[played.name] = {short_name(a): o.ratio for a, o in whole.items()}
    tracked.set_tags(_mark_tags(rows))
    tracked.log_figure(performance_profile(profiles), "figures/profiles.png")
    intervals = [Interval(short_name(r["agent"]), r["suite"], r["iqm"], r["ci_low"], r["ci_high"]) for r in rows]
    tracked.log_figure(interval_plot(intervals), "figures/agents.png")
    shown = pairs if config.pairs == "all" else pairs_against(MPC.name, pairs)
    print_tables(rows, shown, console)
    for line in gains_told(gains, list(seeds)):
        console.print(line, soft_wrap=True)
    return [*rows, *pairs]


def _played(
    config: EvaluateConfig,
    suites: Sequence[SuiteRecord | Suite],
    contestants: Sequence[Contestant],
    console: Console,
) -> Iterator[SuitePlayed]:
    """The suites in their order, each made when it is its turn, so that only one is held in memory."""
    backend = config.spread()
    if not backend.here:
        with waiting(console, f"playing {len(suites)} suites by workers"):
            yield from played_by_workers(config, suites, contestants, backend, lambda told: None)
        return
    names = [contestant.name for contestant in contestants]
    for entry in suites:
        with console.status("making the next suite ready ..."):
            suite = entry if isinstance(entry, Suite) else made(entry, config)
        present = [*traffic_references(suite, names), *contestants]
        with steps(console, len(present)) as step:
            played = play_suite(suite, present, config, step)
        yield played


def _fronts(
    config: EvaluateConfig,
    records: Sequence[SuiteRecord],
    contestants: Sequence[Contestant],
    tracked: Run,
    console: Console,
) -> list[PreferenceFrontRow]:
    """Rows of every agent's front on every suite, printed, drawn and logged."""
    rows: list[PreferenceFrontRow] = []
    seeds = {contestant.name: contestant.seeds for contestant in contestants}
    for record in records:
        played = f"playing the front of {', '.join(short_name(p.name) for p in contestants)} on {record.name}"
        with steps(console, len(preference_grid())) as step:
            filter_of = behind(config.traffic_filter)
            front = play_front(record, contestants, config.days, config.seed, filter_of, partial(step, played))
        tracked.log_figure(preference_front_plot(front), f"figures/front_{record.name}.png")
        rows += front_rows(front, seeds, config.days)
    names = metric_names([row["agent"] for row in rows])
    for key in ("hypervolume_share", "worst_loss"):
        tracked.log_metrics({held_out(row["suite"], key, names[row["agent"]]): row[key] for row in rows}, 0)
    tracked.log_json(rows, ROWS_FILE)
    print_preference_fronts(rows, console)
    return rows


def _params(config: EvaluateConfig) -> dict[str, Any]:
    """What a run's parameters show of its configuration."""
    return changed(config, "days", "seed")


def _suites(
    config: EvaluateConfig, records: Sequence[SuiteRecord], log: AuctionLog | None, trained: Trained | None
) -> tuple[dict[str, Any], Sequence[SuiteRecord | Suite]]:
    """Parameters to record, with the campaign's terms on a log, and what is played: that log, or suites to be made.

    Raises:
        ZeroIdealPoint, UnknownChannel, InfeasibleCampaign: at once, where the terms that were asked for have no plan.
    """
    if log is not None and trained is not None:
        suite = log_suite(log, trained, config, config.cpa_margin, behind(config.traffic_filter), config.threads)
        agreed = config.agreed(trained.campaign)
        rule = rule_of(agreed, suite.arena.days.bounds)
        return _params(config) | own_terms(agreed) | ({} if rule == NONE else {"targets": rule}), [suite]
    if config.terms():
        for record in records:
            for campaign in agreed_campaigns(record, config):
                check_feasible(record.name, suite_forecast(record), campaign)
    return _params(config), records


def _targeted(config: EvaluateConfig, records: Sequence[SuiteRecord]) -> bool:
    """Whether some campaign has a target cost per conversion."""
    return any(has_soft_bound(campaign) for record in records for campaign in agreed_campaigns(record, config))
