"""`bidpilot evaluate`: agents on suites, R / R* with intervals, and paired differences; or their fronts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console

from bidpilot.agents.learners.catalogue import DEFAULT, LEARNERS
from bidpilot.bidding.errors import InvalidConfig, RunNotFound
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.training.config import EvaluateConfig, flat
from bidpilot.training.evaluation.catalogue import DEFAULT_SUITES, SuiteRecord
from bidpilot.training.evaluation.contestants import ALL_AGENTS, Contestant, find_contestants
from bidpilot.training.evaluation.front import front_rows, play_front
from bidpilot.training.evaluation.play import Outcome
from bidpilot.training.evaluation.rows import agent_rows, pair_rows
from bidpilot.training.evaluation.suites import Suite, log_suite, named_suites, synthetic_suite
from bidpilot.training.report.comparison import Interval, interval_plot
from bidpilot.training.report.fronts import front_plot
from bidpilot.training.report.profile import performance_profile
from bidpilot.training.report.tables import AgentRow, FrontRow, PairRow, print_fronts, print_tables, short_name
from bidpilot.training.tracking import Run, download, latest_finished_run, open_run

_FRONT_SUITES = ("daily",)


def run(config: EvaluateConfig) -> None:
    """Play every agent on every suite, or for every preference of a front; print, log and write the rows.

    Raises:
        InvalidConfig, UnknownAgent, UnknownSuite, RunNotFound, PolicyMismatch: before anything is played.
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
    rows: Sequence[AgentRow | PairRow | FrontRow]
    with open_run(config.experiment, "evaluate", flat(config), kind="evaluate") as tracked:
        if config.front:
            rows = _fronts(config, records, contestants, tracked, console)
        else:
            rows = _comparison(config, _suites(config, records, contestants), contestants, tracked, console)
        tracked.log_json(rows, "evaluation.json")
    if config.json_file is not None:
        config.json_file.parent.mkdir(parents=True, exist_ok=True)
        config.json_file.write_text(json.dumps(rows, indent=1) + "\n")
        console.print(f"rows written to {config.json_file}")


def _check(config: EvaluateConfig) -> None:
    if config.log is not None and (config.front or config.suites):
        asked = "--front" if config.front else f"--suites {' '.join(config.suites)}"
        raise InvalidConfig(f"--log is a suite of its own, which has no front; got {asked} too. Give one of them.")
    if config.front and _limits(config):
        raise InvalidConfig(f"a front is played without constraints; got {', '.join(_limits(config))}. Leave them out.")


def _comparison(
    config: EvaluateConfig, suites: Iterator[Suite], contestants: Sequence[Contestant], tracked: Run, console: Console
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
    tracked.log_metrics({f"{row['suite']}/{names[row['agent']]}": row["iqm"] for row in rows}, 0)
    print_tables(rows, pairs, console)
    return [*rows, *pairs]


def _fronts(
    config: EvaluateConfig,
    records: Sequence[SuiteRecord],
    contestants: Sequence[Contestant],
    tracked: Run,
    console: Console,
) -> list[FrontRow]:
    """Rows of every agent's front on every suite, printed, drawn and logged."""
    rows: list[FrontRow] = []
    seeds = {contestant.name: contestant.seeds for contestant in contestants}
    for record in records:
        console.print(f"playing the front of {', '.join(short_name(p.name) for p in contestants)} on {record.name} ...")
        front = play_front(record, contestants, config.days, config.seed)
        tracked.log_figure(front_plot(front), f"figures/front_{record.name}.png")
        rows += front_rows(front, seeds, config.days)
    names = _metric_names([row["agent"] for row in rows])
    for key in ("hypervolume_share", "worst_loss"):
        tracked.log_metrics({f"{row['suite']}/{names[row['agent']]}/{key}": row[key] for row in rows}, 0)
    print_fronts(rows, console)
    return rows


def _metric_names(agents: Sequence[str]) -> Mapping[str, str]:
    """A name per agent that a metric may have: the learner's alone where only one agent is learned."""
    learned = {agent for agent in agents if agent.partition("@")[0] in LEARNERS}
    return {a: a.partition("@")[0] if {a} == learned else re.sub(r"[^\w.-]", "_", short_name(a)) for a in agents}


def _suites(
    config: EvaluateConfig, records: Sequence[SuiteRecord], contestants: Sequence[Contestant]
) -> Iterator[Suite]:
    """One suite after the other, so that only one is held in memory."""
    if config.log is not None:
        yield _log_suite(config, contestants)
        return
    for record in records:
        yield synthetic_suite(record, config.days, config.seed, _limits(config), config.cpa_margin)


def _log_suite(config: EvaluateConfig, contestants: Sequence[Contestant]) -> Suite:
    """The log, under the forecast of the first training run that was named, or of the last one that finished."""
    assert config.log is not None
    runs = [run_id for contestant in contestants for run_id in contestant.runs]
    run_id = runs[0] if runs else latest_finished_run("train", experiment=config.experiment).run_id
    folder = download(run_id, "policy")
    setting = json.loads((folder / "policy.json").read_text())
    if setting["log"] is None:
        raise RunNotFound(
            f"run {run_id} was trained on {setting['setting']}, not on a log, and has no forecast for one. "
            f"Train with --log first, or name such a run as {DEFAULT}@RUN."
        )
    forecast = Forecast.load(folder / "forecast.npz")
    return log_suite(config.log, lambda: (setting["setting"], forecast), _limits(config), config.cpa_margin)


def _targeted(config: EvaluateConfig, records: Sequence[SuiteRecord]) -> bool:
    """Whether some campaign has a target cost per conversion; a log's days may."""
    suites = any(c.max_cpa is not None for record in records for c in record.campaigns)
    return config.log is not None or config.max_cpa is not None or suites


def _limits(config: EvaluateConfig) -> dict[str, float]:
    """Constraints that the suites' campaigns are given."""
    named = {"max_cpa": config.max_cpa, "min_tail_share": config.min_tail_share}
    return {name: value for name, value in named.items() if value is not None}
