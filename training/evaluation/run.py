"""`bidpilot evaluate`: agents on suites, R / R* with intervals, and paired differences; or their fronts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console

from bidpilot.agents.learners.catalogue import DEFAULT, LEARNERS
from bidpilot.bidding.campaign.batch import has_soft_bound
from bidpilot.bidding.errors import InvalidConfig
from bidpilot.training.cli.config import flat
from bidpilot.training.evaluation.catalogue import DEFAULT_SUITES, SuiteRecord
from bidpilot.training.evaluation.config import EvaluateConfig
from bidpilot.training.evaluation.contestants import Contestant, find_contestants
from bidpilot.training.evaluation.names import ALL_AGENTS
from bidpilot.training.evaluation.play import Outcome
from bidpilot.training.evaluation.preference_front import front_rows, play_front
from bidpilot.training.evaluation.rows import agent_rows, pair_rows, row_metrics
from bidpilot.training.evaluation.suites import (
    Suite,
    Trained,
    agreed_campaigns,
    log_suite,
    named_suites,
    suite_forecast,
    synthetic_suite,
)
from bidpilot.training.report.comparison import Interval, interval_plot
from bidpilot.training.report.preference_front import preference_front_plot
from bidpilot.training.report.profile import performance_profile
from bidpilot.training.report.tables import (
    AgentRow,
    PairRow,
    PreferenceFrontRow,
    print_preference_fronts,
    print_tables,
    short_name,
)
from bidpilot.training.setting.feasible import check_feasible
from bidpilot.training.setting.terms import terms_of
from bidpilot.training.tracking import Run, download, latest_finished_run, open_run

_FRONT_SUITES = ("daily",)


def run(config: EvaluateConfig) -> None:
    """Play every agent on every suite, or for every preference of a front; print, log and write the rows.

    Raises:
        InvalidConfig, UnknownAgent, UnknownSuite, RunNotFound, PolicyMismatch: before anything is played.
        ZeroIdealPoint, UnknownChannel, InfeasibleCampaign: likewise, of the terms that were asked for.
    """
    _check(config)
    records = named_suites(config.suites, _FRONT_SUITES if config.front else DEFAULT_SUITES)
    if config.cpa_margin > 0 and not _targeted(config, records):
        raise InvalidConfig(
            f"a margin of {config.cpa_margin:g} needs a target cost, and no campaign has one. Add --suites cpa or "
            "--max-cpa."
        )
    contestants = find_contestants(config.agents or ((DEFAULT,) if config.front else ALL_AGENTS), config.experiment)
    console = Console()
    rows: Sequence[AgentRow | PairRow | PreferenceFrontRow]
    params, suites = (flat(config), ()) if config.front else _suites(config, records, contestants)
    with open_run(config.experiment, "evaluate", params, kind="evaluate") as tracked:
        if config.front:
            rows = _fronts(config, records, contestants, tracked, console)
        else:
            rows = _comparison(config, suites, contestants, tracked, console)
        tracked.log_json(rows, "evaluation.json")
    if config.json_file is not None:
        config.json_file.parent.mkdir(parents=True, exist_ok=True)
        config.json_file.write_text(json.dumps(rows, indent=1) + "\n")
        console.print(f"rows written to {config.json_file}")


def _check(config: EvaluateConfig) -> None:
    if config.log is not None and (config.front or config.suites):
        asked = "--front" if config.front else f"--suites {' '.join(config.suites)}"
        raise InvalidConfig(f"--log is a suite of its own, which has no front; got {asked} too. Give one of them.")
    if config.front and config.terms():
        raise InvalidConfig(
            f"a front is played for preferences of its own, without constraints; got {', '.join(config.terms())}. "
            "Leave them out."
        )


def _comparison(
    config: EvaluateConfig, suites: Iterable[Suite], contestants: Sequence[Contestant], tracked: Run, console: Console
) -> list[AgentRow | PairRow]:
    """Rows of every agent on every suite, printed, drawn and logged; pairs of agents, not of their single seeds."""
    rows: list[AgentRow] = []
    pairs: list[PairRow] = []
    profiles = {}
    seeds = {contestant.name: contestant.seeds for contestant in contestants}
    for suite in suites:
        outcomes: dict[str, Outcome] = {}
        for contestant in contestants:
            console.print(f"playing {short_name(contestant.name)} on {suite.name} ...")
            outcomes |= contestant.play(suite)
        whole = {contestant.name: outcomes[contestant.name] for contestant in contestants}
        rows += agent_rows(suite, outcomes, seeds, config.seed)
        pairs += pair_rows(suite, whole, config.seed)
        profiles[suite.name] = {short_name(a): o.ratio for a, o in whole.items()}
    tracked.log_figure(performance_profile(profiles), "figures/profiles.png")
    intervals = [Interval(short_name(r["agent"]), r["suite"], r["iqm"], r["ci_low"], r["ci_high"]) for r in rows]
    tracked.log_figure(interval_plot(intervals), "figures/agents.png")
    names = _metric_names([row["agent"] for row in rows])
    tracked.log_metrics(row_metrics(rows, names), 0)
    print_tables(rows, pairs, console)
    return [*rows, *pairs]


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
        console.print(f"playing the front of {', '.join(short_name(p.name) for p in contestants)} on {record.name} ...")
        front = play_front(record, contestants, config.days, config.seed)
        tracked.log_figure(preference_front_plot(front), f"figures/front_{record.name}.png")
        rows += front_rows(front, seeds, config.days)
    names = _metric_names([row["agent"] for row in rows])
    for key in ("hypervolume_share", "worst_loss"):
        tracked.log_metrics({f"{row['suite']}/{names[row['agent']]}/{key}": row[key] for row in rows}, 0)
    print_preference_fronts(rows, console)
    return rows


def _metric_names(agents: Sequence[str]) -> Mapping[str, str]:
    """A name per agent that a metric may have: the learner's alone where only one agent is learned."""
    learned = {agent for agent in agents if agent.partition("@")[0] in LEARNERS}
    return {a: a.partition("@")[0] if {a} == learned else re.sub(r"[^\w.-]", "_", short_name(a)) for a in agents}


def _suites(
    config: EvaluateConfig, records: Sequence[SuiteRecord], contestants: Sequence[Contestant]
) -> tuple[dict[str, Any], Iterable[Suite]]:
    """Parameters to record, with the campaign's terms on a log, and what is played.

    One suite of the catalogue after the other is made, so that only one is held in memory.

    Raises:
        ZeroIdealPoint, UnknownChannel, InfeasibleCampaign: at once, where the terms that were asked for have no plan.
    """
    if config.log is not None:
        trained = _trained(config, contestants)
        suite = log_suite(config.log, trained, config, config.cpa_margin)
        return flat(config) | flat(terms_of(config.agreed(trained.campaign))), [suite]
    if config.terms():
        for record in records:
            for campaign in agreed_campaigns(record, config):
                check_feasible(record.name, suite_forecast(record), campaign)
    margin = config.cpa_margin
    return flat(config), (synthetic_suite(r, config.days, config.seed, config, margin) for r in records)


def _trained(config: EvaluateConfig, contestants: Sequence[Contestant]) -> Trained:
    """What the first training run that was named holds, or the last one that finished."""
    runs = [run_id for contestant in contestants for run_id in contestant.runs]
    run_id = runs[0] if runs else latest_finished_run("train", experiment=config.experiment).run_id
    return Trained.of_run(run_id, download(run_id, "policy"))


def _targeted(config: EvaluateConfig, records: Sequence[SuiteRecord]) -> bool:
    """Whether some campaign has a target cost per conversion; a log's days may."""
    campaigns = [campaign for record in records for campaign in agreed_campaigns(record, config)]
    return config.log is not None or any(has_soft_bound(campaign) for campaign in campaigns)
