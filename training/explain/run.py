"""`bidpilot explain`: play a day up to a slot, and say which features moved alpha there, and by how much."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table as TextTable

from bidpilot.agents.acting.controllers import CONTROLLERS
from bidpilot.agents.acting.policy import MlpPolicy
from bidpilot.bidding.errors import InvalidConfig, UnknownAgent
from bidpilot.training.cli.config import flat
from bidpilot.training.evaluation.play import Arena
from bidpilot.training.evaluation.suites import Suite, Trained, log_suite, named_suites, synthetic_suite
from bidpilot.training.explain.config import ExplainConfig
from bidpilot.training.explain.explanation import KPIS, Explanation, explain_slot
from bidpilot.training.explain.subjects import ControllerSubject, PolicySubject, Subject
from bidpilot.training.report.attribution import Bars, Table, attribution_figure
from bidpilot.training.tracking import Run, current_store, download, find_run, latest_finished_run, open_run

POLICY = "ppo"


def run(config: ExplainConfig) -> Explanation:
    """Explain one decision; print it, and keep figure and data with the run it is of.

    A controller without a run gets a run of its own.

    Raises:
        UnknownAgent, UnknownSuite, RunNotFound: before anything is played.
        InvalidConfig: the suite has no such day, or the day no such slot.
    """
    console = Console()
    if config.agent != POLICY and config.agent not in CONTROLLERS:
        names = ", ".join((*CONTROLLERS, POLICY))
        raise UnknownAgent(f"no agent is called {config.agent!r} that could be explained. Use one of: {names}.")
    run_id = _run_id(config)
    folder = None if run_id is None else download(run_id, "policy")
    suite = _suite(config, run_id, folder)
    subject = _subject(config, suite, folder)
    found = _play(config, suite.arena, subject)
    title = f"{config.agent} on {suite.name}, day {config.day}, slot {config.slot}"
    data = {"agent": config.agent, "run": run_id, "suite": suite.name, "day": config.day, "slot": config.slot}
    data |= found.as_data()
    name = f"explain/{config.agent}_{suite.name}_day{config.day}_slot{config.slot}"
    if run_id is None:
        with open_run(config.experiment, f"explain {config.agent}", flat(config), kind="explain") as tracked:
            _keep(tracked, data, explanation_figure(found, title), name)
    else:
        info = find_run(run_id)
        tracked = Run(info.run_id, info.experiment_id, info.name, current_store())
        _keep(tracked, data, explanation_figure(found, title), name)
    _print(found, title, console)
    console.print(f"figure and data: artifacts {name}.png and .json of run {tracked.run_id}", soft_wrap=True)
    if config.json_file is not None:
        config.json_file.parent.mkdir(parents=True, exist_ok=True)
        config.json_file.write_text(json.dumps(data, indent=1, allow_nan=False) + "\n")
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


def _run_id(config: ExplainConfig) -> str | None:
    """The run that the agent comes from; None for a controller of no run."""
    if config.run is not None:
        return find_run(config.run).run_id
    if config.agent == POLICY or config.log is not None:
        return latest_finished_run("train", experiment=config.experiment).run_id
    return None


def _suite(config: ExplainConfig, run_id: str | None, folder: Path | None) -> Suite:
    if config.log is None:
        # Days are drawn one after the other, so that those before the one asked for need be drawn, and no more.
        suite = synthetic_suite(named_suites((config.suite,))[0], config.day + 1, config.seed)
    else:
        assert folder is not None
        suite = log_suite(config.log, Trained.of_run(str(run_id), folder))
    episode = suite.arena.episode
    if config.day >= episode.rows or config.slot >= episode.slots:
        raise InvalidConfig(
            f"{suite.name} has {episode.rows} days of {episode.slots} slots, counted from 0; got day {config.day}, "
            f"slot {config.slot}. Name one of them."
        )
    return suite


def _subject(config: ExplainConfig, suite: Suite, folder: Path | None) -> Subject:
    if config.agent == POLICY:
        assert folder is not None
        return PolicySubject(MlpPolicy.load(folder / "policy.npz"))
    gains: Mapping[str, float] | None = suite.gains.get(config.agent)
    return ControllerSubject(CONTROLLERS[config.agent], gains, suite.arena.episode.segments)


def _play(config: ExplainConfig, arena: Arena, subject: Subject) -> Explanation:
    episode = arena.episode
    observation = episode.begin(arena.days, arena.campaigns)
    subject.start(episode.rows, episode.segments)
    for _ in range(config.slot):
        observation = episode.play(subject.act(observation))
    return explain_slot(episode, observation, subject, config.day)


def _keep(tracked: Run, data: Mapping[str, object], figure: Figure, name: str) -> None:
    tracked.log_json(data, f"{name}.json")
    tracked.log_figure(figure, f"{name}.png")


def _print(found: Explanation, title: str, console: Console) -> None:
    """What each group multiplies alpha by, the strongest first."""
    table = TextTable(title=f"{title}: what multiplies alpha")
    table.add_column("")
    for kpi in KPIS:
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
