"""Agents by the names that are typed: controllers, the controller told the future, and training runs."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bidpilot.agents.acting.agent import Agent, controller_agent
from bidpilot.agents.acting.controllers import CONTROLLERS, MPC
from bidpilot.agents.acting.policy import NetworkPolicy
from bidpilot.agents.gains import row_gains
from bidpilot.agents.learners.catalogue import DEFAULT, LEARNERS
from bidpilot.bidding.errors import InvalidConfig, PolicyMismatch, UnknownAgent, UnknownLaw
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.envs.bidding_env.episode import ReplannerOf
from bidpilot.envs.bidding_env.knowable import KnowableReplanner
from bidpilot.envs.bidding_env.oracle import InformedReplanner
from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.envs.synthetic.generate import SEGMENTS
from bidpilot.training.evaluation.ground import Trained, TrainingPart, latest_learnt, strangeness
from bidpilot.training.evaluation.names import (
    CHOICE,
    CONSTANT,
    FILTERED,
    INFORMED,
    KNOWABLE,
    KNOWN_AGENTS,
    NEUTRAL,
    REFERENCES,
    TRAFFIC_REFERENCES,
    TUNED,
    UNFILTERED,
    UNTUNED,
)
from bidpilot.training.evaluation.of_run import agent_of_run, choice_of
from bidpilot.training.evaluation.play import Arena, Outcome
from bidpilot.training.evaluation.suites import Suite
from bidpilot.training.evaluation.traffic import told, unfiltered
from bidpilot.training.report.tables import Marks
from bidpilot.training.tracking import LATEST, RunInfo, download, resolve_run
from bidpilot.training.tracking.learned import run_of

TOLD: Final[Mapping[str, ReplannerOf]] = MappingProxyType({INFORMED: InformedReplanner, KNOWABLE: KnowableReplanner})
"""The re-plans of references that are told more than a bidder is."""


_OF_RUNS: Final = (*LEARNERS, CHOICE)


@dataclass(frozen=True)
class Lesson:
    """What a policy learnt from, seen from what it plays on."""

    other_market: bool = False  # it was made for another one
    trained_on: NDArray[np.bool_] | None = None  # (D,) the days of a log that it learnt from; None: none of them


@dataclass(frozen=True)
class Contestant:
    """An agent as it was asked for: a learned one with the policy of each of its training runs."""

    name: str
    policies: Mapping[str, Agent] = field(default_factory=dict)  # by the name of its own row
    runs: tuple[str, ...] = ()  # ids, one for each policy; none where nobody knows what trained it
    lessons: Mapping[str, Lesson] = field(default_factory=dict)  # by the name of a policy's row

    @property
    def seeds(self) -> int:
        """Trainings that its row stands for."""
        return max(1, len(self.policies))

    def play(self, suite: Suite) -> dict[str, Outcome]:
        """Its days on a suite by row: one per training run, then the mean of several under the agent's name."""
        found = {name: _play_policy(policy, name, suite) for name, policy in self.policies.items()}
        return self.whole(found or {self.name: play_fixed(self.name, suite.arena, suite.gains)})

    def whole(self, outcomes: Mapping[str, Outcome]) -> dict[str, Outcome]:
        """Its rows among `outcomes`, then the mean of several trainings under the agent's name."""
        found = {row: outcomes[row] for row in self.policies or (self.name,)}
        return found if len(found) == 1 else found | {self.name: Outcome.pooled(list(found.values()))}

    def alone(self) -> list[Contestant]:
        """A contestant for each of its trainings, called as its row; itself where it has one or none."""
        if len(self.policies) <= 1:
            return [self]
        return [
            Contestant(row, {row: policy}, self.runs[k : k + 1], {row: self.lessons.get(row, Lesson())})
            for k, (row, policy) in enumerate(self.policies.items())
        ]

    def marks(self, suite: Suite) -> dict[str, Marks]:
        """Of each of its rows: which run was played, under which forecast, and what either had seen before."""
        known = zip(self.policies, self.runs, strict=bool(self.runs))
        rows = {row: ([run], [self.lessons.get(row, Lesson())]) for row, run in known}
        if len(rows) != 1:
            rows[self.name] = (list(self.runs), [lesson for _, lessons in rows.values() for lesson in lessons])
        behind = _filter_name(self.name, suite.arena)
        return {row: _marks(suite, behind, *mark) for row, mark in rows.items()}


def traffic_references(suite: Suite, named: Sequence[str]) -> list[Contestant]:
    """References of the filter of traffic that a suite calls for and that are not `named`.

    Both where there is traffic to filter; without a filter `mpc` is the unfiltered one itself.
    """
    if not suite.arena.tempts_filters:
        return []
    wanted = TRAFFIC_REFERENCES if suite.arena.filtered else (FILTERED,)
    return [Contestant(name) for name in wanted if name not in named]


def _filter_name(agent: str, arena: Arena) -> str:
    """What filters the traffic of an agent, in a word."""
    if agent == FILTERED:
        return "told"
    return "detector" if arena.filtered and agent != UNFILTERED else "none"


def _marks(suite: Suite, behind: str, runs: Sequence[str], lessons: Sequence[Lesson]) -> Marks:
    seen, part = [lesson.trained_on for lesson in lessons if lesson.trained_on is not None], suite.part
    return Marks(
        run=",".join(runs) or None,
        forecast="" if part is None else str(part),
        forecast_run=None if part is None else part.run,
        forecast_log=None if part is None else part.lineage.log,
        other_market=suite.other_market or any(lesson.other_market for lesson in lessons),
        trained_on=suite.days_trained_on(np.any(seen, axis=0) if seen else None),
        traffic=behind,
    )


def fixed_gains(name: str, gains: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """What an agent that is not learned plays with, `gains` being those of rows: each gain, the default where not set.

    That of `constant` is its `gain`; references play as `mpc`, which is neutral.
    """
    agent = TUNED.get(name) or NEUTRAL.get(name) or name
    if agent == CONSTANT:
        return {"gain": 1.0, **gains.get(name, {})}
    own = agent in CONTROLLERS
    return dict(controller_agent(agent if own else MPC.name, gains.get(name) if own else None).gains)


def play_fixed(name: str, arena: Arena, gains: Mapping[str, Mapping[str, float]]) -> Outcome:
    """The days of an agent that is not learned, with the `gains` of its row, or with its defaults where it has none."""
    agent = TUNED.get(name) or NEUTRAL.get(name) or name
    if agent == CONSTANT:
        return arena.play_constant(**gains.get(name, {}))
    if agent in TOLD:
        return arena.play(controller_agent(MPC.name), TOLD[agent])
    if agent in (FILTERED, UNFILTERED):
        return arena.play(controller_agent(MPC.name), filter_of=told if agent == FILTERED else unfiltered)
    return arena.play(controller_agent(agent, gains.get(name)))


def _play_policy(policy: Agent, name: str, suite: Suite) -> Outcome:
    try:
        return suite.arena.play(policy)
    except PolicyMismatch as error:
        raise PolicyMismatch(f"{name} cannot play {suite.name}: {error}") from error


def check_names(named: Sequence[str]) -> None:
    """Refuse names that no agent has.

    Raises:
        UnknownAgent: one of them; says which there are.
    """
    for name in named:
        base, at, _ = name.partition("@")
        if base not in (*KNOWN_AGENTS, CHOICE) or (at and base not in _OF_RUNS) or (base == CHOICE and not at):
            raise UnknownAgent(
                f"no agent is called {name!r}. Use one of: {', '.join(UNTUNED)}, NAME_tuned, NAME_neutral, "
                f"{DEFAULT}@RUN, or {DEFAULT}@RUN,RUN for several seeds, or {CHOICE}@RUN for what a run exports."
            )


def check_law_known(named: Sequence[str], log: str) -> None:
    """Refuse, on recorded days of `log`, the reference that is told a market's law.

    Raises:
        UnknownLaw: it is named.
    """
    if KNOWABLE in named:
        raise UnknownLaw(
            f"{KNOWABLE} is told a market's law, and nobody knows that of the recorded days of {log}. Play it on "
            f"--suites, and {INFORMED} on a log."
        )


def check_gains(named: Sequence[str], market: str | None, where: str) -> None:
    """Refuse rows of gains that tuning found, where it found none.

    Raises:
        InvalidConfig: nothing was tuned on `market`, called `where`.
    """
    missing = [name for name in named if name in TUNED and name not in row_gains(market)]
    if missing:
        raise InvalidConfig(
            f"{missing[0]} plays with gains that tuning found, and nothing was tuned on {where}. Find some with "
            f"`bidpilot tune --install`, or play {TUNED[missing[0]]}."
        )


def named_runs(named: Sequence[str]) -> list[RunInfo]:
    """The training runs that are named after a learner, as `NAME@RUN,RUN`, each once and in order.

    A run is named by its id, the beginning of its id, or its name; the latest is not among them.

    Raises:
        UnknownAgent: no such agent, or another learner's run.
        RunNotFound, AmbiguousRun: no such run, or several.
    """
    check_names(named)
    parts = [name.partition("@") for name in named]
    typed = dict.fromkeys((base, run) for base, at, runs in parts if at for run in runs.split(",") if run != LATEST)
    return list({found.run_id: found for found in (_named(base, run) for base, run in typed)}.values())


def _named(base: str, run: str) -> RunInfo:
    """The run of a learner, or any whose choice is played."""
    return resolve_run(run) if base == CHOICE else run_of(base, run)


def find_contestants(
    named: tuple[str, ...],
    experiment: str,
    log: AuctionLog | None = None,
    trained: Trained | None = None,
    presets: Collection[str] = (),
) -> list[Contestant]:
    """The agents of these names, with both reference controllers before them where they are not named.

    A learner's name is its last training run that fits, on what `trained` learnt from, or on one of `presets`, else on
    any, where that is None; `NAME@RUN` is that run, by id, the beginning of an id or name, whatever it learnt from,
    `NAME@RUN,RUN,...` one agent over seeds, and `choice@RUN` whom the run exports by default. Names of agents that come
    back hold whole ids. What a policy has seen of the days of `log` is kept with it.

    Raises:
        UnknownAgent: no such agent.
        RunNotFound, AmbiguousRun, PolicyMismatch: no such run, several, or no policy of this version in it, or one for
            other segments.
    """
    check_names(named)
    missing = [name for name in REFERENCES if name not in named]
    ground = _Ground(experiment, log, trained, presets)
    found = [_contestant(name, ground) for name in dict.fromkeys((*missing, *named))]
    return list({contestant.name: contestant for contestant in found}.values())


@dataclass(frozen=True)
class _Ground:
    """Where runs are looked for, and what is played."""

    experiment: str
    log: AuctionLog | None
    trained: Trained | None
    presets: Collection[str]

    @property
    def segments(self) -> int:
        return len(SEGMENTS if self.trained is None else self.trained.forecast.segments)

    def run(self, base: str, reference: str) -> RunInfo:
        """The run that is meant; the latest of a learner, or of any for its choice."""
        if reference != LATEST:
            return _named(base, reference)
        return latest_learnt(None if base == CHOICE else base, self.experiment, self.trained, self.presets)


def _contestant(name: str, ground: _Ground) -> Contestant:
    base, at, typed = name.partition("@")
    if base not in _OF_RUNS:
        return Contestant(name)
    runs = (ground.run(base, reference) for reference in (typed if at else LATEST).split(","))
    found = list({run.run_id: run for run in runs}.values())
    name = f"{base}@{','.join(run.run_id for run in found)}"
    rows = [f"{base}@{run.run_id}" for run in found] if len(found) > 1 else [name]
    policies, lessons = {}, {}
    for row, run in zip(rows, found, strict=True):
        folder = download(run.run_id, "policy")
        policies[row] = (
            NetworkPolicy.load(folder / "policy.npz", row) if base in LEARNERS else _chosen(run, folder, row)
        )
        _check_segments(policies[row], row, ground.segments)
        lessons[row] = _lesson(run, folder, ground.log, ground.trained)
    return Contestant(name, policies, tuple(run.run_id for run in found), lessons)


def _check_segments(agent: Agent, row: str, segments: int) -> None:
    try:
        agent.check(segments)
    except PolicyMismatch as error:
        raise PolicyMismatch(f"{row} cannot be played: {error}") from error


def _chosen(run: RunInfo, folder: Path, row: str) -> Agent:
    """Whom a run exports by default."""
    described = json.loads((folder / "policy.json").read_text())
    return agent_of_run(choice_of(run, described), folder, described, row)


def _lesson(run: RunInfo, folder: Path, log: AuctionLog | None, trained: Trained | None) -> Lesson:
    part = TrainingPart.of_run(run, folder)
    if log is None or trained is None:
        return Lesson(part.lineage.log is not None)
    if part.lineage.log is None:
        return Lesson(True)
    own = part.lineage.log in (log.digest, trained.part.lineage.log)
    return Lesson(not own and bool(strangeness(log, Forecast.load(folder / "forecast.npz"))), part.seen(log))
