"""`bidpilot explain`: play a day up to a slot, and say which features moved alpha there, and by how much."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table as TextTable

from bidpilot.agents.acting.agent import AgentDay, controller_agent
from bidpilot.agents.acting.controllers import CONTROLLERS
from bidpilot.agents.acting.policy import NetworkPolicy
from bidpilot.agents.learners.catalogue import LEARNERS, learner_of
from bidpilot.bidding.errors import InvalidConfig, UnknownAgent
from bidpilot.bidding.kpi import KPI
from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.training.cli.config import flat
from bidpilot.training.evaluation.ground import Trained, find_trained, latest_learnt
from bidpilot.training.evaluation.play import Arena
from bidpilot.training.evaluation.suites import Suite, log_suite, named_suites, synthetic_suite
from bidpilot.training.explain.config import ExplainConfig
from bidpilot.training.explain.explanation import Explanation, explain_slot
from bidpilot.training.explain.function import Explainable
from bidpilot.training.report.attribution import Bars, Table, attribution_figure
from bidpilot.training.report.files import write_json
from bidpilot.training.tracking import Run, RunInfo, current_store, download, find_run, open_run, resolve_run
from bidpilot.training.tracking.learned import run_of


def run(config: ExplainConfig) -> Explanation:
    """Explain one decision; print it, and keep figure and data with the run it is of.

    A controller without a run gets a run of its own.

    Raises:
        UnknownAgent, UnknownSuite, RunNotFound: before anything is played.
        InvalidConfig: the suite has no such day, or the day no such slot.
    """
    console = Console()
    if config.agent not in (None, *CONTROLLERS, *LEARNERS):
        names = ", ".join((*CONTROLLERS, *LEARNERS))
        raise UnknownAgent(f"no agent is called {config.agent!r} that could be explained. Use one of: {names}.")
    log, trained = _ground(config, console)
    source = _source(config, trained)
    name = learner_of(source.tags) if config.agent is None and source is not None else str(config.agent)
    run_id = None if source is None else source.run_id
    folder = None if run_id is None else download(run_id, "policy")
    suite = _suite(config, log, trained)
    found = _play(config, suite.arena, _agent(config, suite, folder))
    title = f"{name} on {suite.name}, day {config.day}, slot {config.slot}"
    data = {"agent": name, "run": run_id, "suite": suite.name, "day": config.day, "slot": config.slot}
    data |= found.as_data()
    path = f"explain/{name}_{suite.name}_day{config.day}_slot{config.slot}"
    if source is None:
        with open_run(config.experiment, f"explain {name}", flat(config), kind="explain") as tracked:
            _keep(tracked, data, explanation_figure(found, title), path)
    else:
        tracked = Run(source.run_id, source.experiment_id, source.name, current_store())
        _keep(tracked, data, explanation_figure(found, title), path)
    _print(found, title, console)
    console.print(f"figure and data: artifacts {path}.png and .json of run {tracked.run_id}", soft_wrap=True)
    write_json(config.json_file, data)
    return found


def explanation_figure(found: Explanation, title: str) -> Figure:
    """Scale and tilts by group and by feature, and the segments' entries by group where any of them moved."""
    grouped = found.by_group()
    panels = [
        [Bars(f"{found.entries[a]} {found.action[a]:+.3f}, by group", found.groups, grouped[:, a]) for a in range(3)],
        [Bars(f"{found.entries[a]}, by feature", found.inputs, found.shares[:, a]) for a in range(3)],
    ]
    segments = grouped[:, 3:].sum(axis=0)
    table = Table("segment entries, by group", found.segments, found.groups, segments) if segments.any() else None
    return attribution_figure(panels, found.parts, title, table)


def _ground(config: ExplainConfig, console: Console) -> tuple[AuctionLog | None, Trained | None]:
    """The log whose day is played, and what it is played under: the run's forecast, where one is named."""
    if config.log is None:
        return None, None
    # Polars loads only where a log is read.
    from bidpilot.envs.logs.storage import load_log

    log = load_log(config.log)
    trained = find_trained(log, config.named, (), config.experiment, config.agent)
    if strange := trained.strangeness(log):
        console.print(f"{trained.part} is of another market than {log.name}: {strange}", soft_wrap=True)
    return log, trained


def _source(config: ExplainConfig, trained: Trained | None) -> RunInfo | None:
    """The run that the agent comes from; None for a controller of no run."""
    if config.named is not None:
        return run_of(str(config.agent), config.named) if config.agent in LEARNERS else resolve_run(config.named)
    if config.agent is None or config.agent in LEARNERS:
        presets = {record.gains for record in named_suites((config.suite,))} if trained is None else ()
        return latest_learnt(config.agent, config.experiment, trained, presets)
    return None if trained is None or trained.part.run is None else find_run(trained.part.run)


def _suite(config: ExplainConfig, log: AuctionLog | None, trained: Trained | None) -> Suite:
    if log is None or trained is None:
        # Days are drawn one after the other, so that those before the one asked for need be drawn, and no more.
        # A day is explained as the first of its own: what a filter remembers of days before is not part of it.
        record = replace(named_suites((config.suite,))[0], in_a_row=1)
        rounds = config.day // record.together + 1
        suite = synthetic_suite(record, rounds * record.together, config.seed)
    else:
        suite = log_suite(log, trained)
    episode = suite.arena.episode
    if config.day >= episode.rows or config.slot >= episode.slots:
        raise InvalidConfig(
            f"{suite.name} has {episode.rows} days of {episode.slots} slots, counted from 0; got day {config.day}, "
            f"slot {config.slot}. Name one of them."
        )
    return suite


def _agent(config: ExplainConfig, suite: Suite, folder: Path | None) -> Explainable:
    if config.agent is None or config.agent in LEARNERS:
        assert folder is not None
        return NetworkPolicy.load(folder / "policy.npz")
    return controller_agent(config.agent, suite.gains.get(config.agent))


def _play(config: ExplainConfig, arena: Arena, agent: Explainable) -> Explanation:
    episode = arena.episode
    observation = episode.begin(arena.days, arena.campaigns, traffic=arena.filter_of(arena, None), replan=agent.replan)
    day = AgentDay(agent, episode.rows, episode.segments, episode.replan)
    for _ in range(config.slot):
        observation = episode.play(day.act(observation))
    return explain_slot(episode, observation, agent, day.state, config.day)


def _keep(tracked: Run, data: Mapping[str, object], figure: Figure, name: str) -> None:
    tracked.log_json(data, f"{name}.json")
    tracked.log_figure(figure, f"{name}.png")


def _print(found: Explanation, title: str, console: Console) -> None:
    """What each group multiplies alpha by, the strongest first."""
    table = TextTable(title=f"{title}: what multiplies alpha")
    table.add_column("")
    for kpi in KPI:
        table.add_column(kpi, justify="right")
    effect = found.log_alpha(found.by_group()).sum(axis=0)  # (3, G)
    table.add_row("the plan's alpha", *(f"{value:.4g}" for value in found.reference))
    offset = np.exp(found.log_alpha(found.at_baseline[None])[0])
    table.add_row("on a day as forecast", *(f"x {value:.3f}" for value in offset))
    for g in np.argsort(-np.abs(effect).max(axis=0), kind="stable"):
        if np.abs(effect[:, g]).max() > 0:
            table.add_row(found.groups[g], *(f"x {value:.3f}" for value in np.exp(effect[:, g])))
    table.add_row("alpha as played", *(f"{value:.4g}" for value in found.alpha))
    console.print(table)
