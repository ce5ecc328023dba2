"""Gains of the baselines: searched, and played where they beat the defaults on data that their search has not seen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from bidpilot.agents.acting.agent import controller_agent
from bidpilot.agents.acting.controllers import MPC
from bidpilot.envs import seeding
from bidpilot.training.evaluation.names import CONSTANT
from bidpilot.training.evaluation.play import Arena
from bidpilot.training.evaluation.statistics import interquartile_mean, interval
from bidpilot.training.evaluation.suites import setting_arena
from bidpilot.training.jobs.backend import Backend
from bidpilot.training.jobs.run import Crew, crew
from bidpilot.training.setting.setting import Setting
from bidpilot.training.tune.config import TuneConfig
from bidpilot.training.tune.folds import Fold, Played, folds_of, ratios
from bidpilot.training.tune.search import Best, Score, Search
from bidpilot.training.tune.spaces import BASELINES, Settings, defaults

Gap = tuple[NDArray[np.float64], NDArray[np.int64]]
"""Differences of R / R* (D,) and the unit (D,) that each day belongs to."""


@dataclass(frozen=True)
class HeldOut:
    """Tuned gains against the defaults, each day played with gains that were tuned without it."""

    kind: str  # what was left out as a whole: markets, periods or campaigns
    difference: float  # mean of R / R*, tuned minus default
    low: float | None  # its 95 % interval; None where there are too few groups for one
    high: float | None
    groups: int  # days, or units that days share
    days: int

    @property
    def won(self) -> bool:
        """Whether the whole interval is above zero."""
        return self.low is not None and self.low > 0.0

    def told(self) -> str:
        """In words."""
        bounds = "no interval" if self.low is None else f"{self.low:+.4f} .. {self.high:+.4f}"
        return f"on held-out {self.kind} {self.difference:+.4f} ({bounds}, {self.days} days in {self.groups} groups)"


@dataclass(frozen=True)
class TunedBaseline:
    """What was found for one baseline."""

    best: Best
    held_out: tuple[HeldOut, ...]  # one for each kind of part that was left out

    @property
    def won(self) -> bool:
        """Whether its gains beat the defaults on every kind of held-out data; not where none was held out."""
        return bool(self.held_out) and all(part.won for part in self.held_out)


def tune_baselines(
    config: TuneConfig, setting: Setting, search: Search, console: Console, backend: Backend
) -> dict[str, TunedBaseline]:
    """As many trials for every baseline: on all training days, and once more without each part of them."""
    arenas = (setting_arena(setting, config.days, seeding.TUNING, config.seed),)
    with crew(PlaysGains(arenas), backend) as workers:
        found = {a: search.best(a, space, _score(a, workers), a) for a, space in BASELINES.items()}
    parts: dict[str, dict[str, list[Gap]]] = {agent: defaultdict(list) for agent in found}
    for place, fold in enumerate(folds_of(config, setting)):
        console.print(f"part {place + 1}: tuning without some of the {fold.kind} ...")
        with crew(PlaysGains(fold.train), backend) as workers:
            for agent in found:
                parts[agent][fold.kind].append((_gap(agent, fold, place, search, workers), fold.units))
    rng = np.random.default_rng
    return {
        agent: TunedBaseline(best, tuple(_pooled(kind, p, rng(config.seed)) for kind, p in parts[agent].items()))
        for agent, best in found.items()
    }


def gains_entry(tuned: Mapping[str, TunedBaseline]) -> dict[str, Any]:
    """Of every baseline the gains that it plays with, those that were found, and what they did where held out.

    The reference controller is neutral whatever was found, so that its row means the same in every table.
    """
    plays = {agent: baseline.won and agent != MPC.name for agent, baseline in tuned.items()}
    return {
        "gains": {a: t.best.settings if plays[a] else defaults(BASELINES[a]) for a, t in tuned.items()},
        "found": {a: t.best.settings for a, t in tuned.items()},
        "held_out": {a: [asdict(part) for part in t.held_out] for a, t in tuned.items()},
    }


def _gap(
    agent: str, fold: Fold, place: int, search: Search, workers: Crew[tuple[str, Settings], float]
) -> NDArray[np.float64]:
    """R / R* of the gains that were tuned without the held days of a fold, minus that of the defaults, day by day."""
    best = search.best(f"{agent}/{place} {fold.kind}", BASELINES[agent], _score(agent, workers))
    tuned, untuned = (_player(agent, gains)(fold.held).ratio for gains in (best.settings, defaults(BASELINES[agent])))
    return tuned - untuned


def _pooled(kind: str, parts: Sequence[Gap], rng: np.random.Generator) -> HeldOut:
    gap, units = (np.concatenate(column) for column in zip(*parts, strict=True))
    low, high = interval(gap, units, rng, trim=0.0) or (None, None)
    return HeldOut(kind, float(gap.mean()), low, high, len(np.unique(units)), len(gap))


def _player(agent: str, gains: Settings) -> Played:
    if agent == CONSTANT:
        return lambda arena: arena.play_constant(**gains)
    return lambda arena: arena.play(controller_agent(agent, gains))


@dataclass(frozen=True)
class PlaysGains:
    """Scores a baseline's gains: their interquartile mean of R / R* over the days of some arenas."""

    arenas: tuple[Arena, ...]

    def __call__(self, job: tuple[str, Settings]) -> float:
        """The score of an agent with these gains."""
        return interquartile_mean(ratios(self.arenas, _player(*job)))


def _score(agent: str, workers: Crew[tuple[str, Settings], float]) -> Score:
    return lambda asked: workers.results([(agent, gains) for gains in asked])
