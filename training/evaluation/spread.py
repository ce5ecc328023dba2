"""Suites played: by this process, or in parts by workers that send back what rows are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.constraints.together import target_cost
from bidpilot.training.evaluation.catalogue import SuiteRecord
from bidpilot.training.evaluation.config import EvaluateConfig
from bidpilot.training.evaluation.contestants import Contestant, traffic_references
from bidpilot.training.evaluation.play import Outcome
from bidpilot.training.evaluation.suites import Suite, synthetic_suite
from bidpilot.training.evaluation.traffic import behind, missing_told
from bidpilot.training.jobs.backend import Backend
from bidpilot.training.jobs.run import run_jobs
from bidpilot.training.report.tables import Marks, short_name

Step = Callable[[str], object]
"""Told what begins."""


@dataclass(frozen=True)
class SuitePlayed:
    """A suite without its arena, and what its days came to; light enough to be sent."""

    name: str
    gains: dict[str, dict[str, float]]
    kept_units: NDArray[np.int64]  # (K,) of the days that were played
    reference: NDArray[np.float64]  # (K,) R*
    at_first_price: bool
    other_market: bool
    told: tuple[str, ...]  # lines on it
    present: tuple[Contestant, ...]  # who played, with the references that the suite calls for
    outcomes: Mapping[str, Outcome]  # by row
    marks: Mapping[str, Marks]  # likewise


def play_suite(suite: Suite, contestants: Sequence[Contestant], config: EvaluateConfig, step: Step) -> SuitePlayed:
    """Everyone on a suite, who stands for several trainings with each of them."""
    outcomes: dict[str, Outcome] = {}
    for contestant in contestants:
        step(f"playing {short_name(contestant.name)} on {suite.name}")
        outcomes |= contestant.play(suite)
    marks = {row: mark for contestant in contestants for row, mark in contestant.marks(suite).items()}
    return SuitePlayed(
        suite.name,
        suite.gains,
        suite.kept_units,
        suite.reference,
        suite.at_first_price,
        suite.other_market,
        tuple(told_of(suite, config)),
        tuple(contestants),
        outcomes,
        marks,
    )


@dataclass(frozen=True)
class Part:
    """Who plays which suite in one job."""

    suite: str
    record: SuiteRecord | None  # to make it from; None where the suite is sent with the work
    places: tuple[int, ...]  # of those who play, among all that play alone
    first: bool  # of the suite's parts: the references that it calls for play too, and everyone is marked


@dataclass
class PlaysSuites:
    """Does one part; the suite that it made last is kept, for those who play it next."""

    config: EvaluateConfig
    contestants: tuple[Contestant, ...]
    kept: Suite | None = None

    def __call__(self, part: Part) -> SuitePlayed:
        """What came of it."""
        if self.kept is None or self.kept.name != part.suite:
            assert part.record is not None
            self.kept = made(part.record, self.config)
        alone = _alone(self.contestants)
        extra = traffic_references(self.kept, [c.name for c in self.contestants]) if part.first else []
        played = play_suite(self.kept, [*extra, *(alone[k] for k in part.places)], self.config, _unheard)
        if not part.first:
            return replace(played, present=())
        marks = {row: mark for c in self.contestants for row, mark in c.marks(self.kept).items()}
        return replace(played, present=tuple(extra), marks={**played.marks, **marks})


def made(record: SuiteRecord, config: EvaluateConfig) -> Suite:
    """The suite of a record as the configuration asks for it."""
    how = config.cpa_margin, behind(config.traffic_filter), config.threads
    return synthetic_suite(record, config.days, config.seed, config, *how)


def played_by_workers(
    config: EvaluateConfig,
    suites: Sequence[SuiteRecord | Suite],
    contestants: Sequence[Contestant],
    backend: Backend,
    heard: Step,
) -> Iterator[SuitePlayed]:
    """Every suite in their order, once all of its parts are played.

    Where there are more workers than suites, contestants are dealt out, each training of one for itself.
    """
    count = min(max(-(-backend.workers // len(suites)), 1), len(_alone(contestants)))
    parts = [part for suite in suites for part in _parts(suite, len(_alone(contestants)), count)]
    kept = next((suite for suite in suites if isinstance(suite, Suite)), None)
    found: dict[int, SuitePlayed] = {}
    told = done = 0
    for place, result in run_jobs(parts, PlaysSuites(config, tuple(contestants), kept), backend):
        found[place], done = result, done + 1
        heard(f"{done} of {len(parts)} jobs done, the last on {result.name}")
        while told < len(suites) and all(told * count + k in found for k in range(count)):
            yield _joined([found.pop(told * count + k) for k in range(count)], contestants)
            told += 1


def _alone(contestants: Sequence[Contestant]) -> list[Contestant]:
    return [single for contestant in contestants for single in contestant.alone()]


def _parts(suite: SuiteRecord | Suite, alone: int, count: int) -> list[Part]:
    record = None if isinstance(suite, Suite) else suite
    return [Part(suite.name, record, tuple(range(k, alone, count)), k == 0) for k in range(count)]


def _joined(parts: Sequence[SuitePlayed], contestants: Sequence[Contestant]) -> SuitePlayed:
    """The parts of a suite as one, whose contestants are whole again."""
    present = (*parts[0].present, *contestants)
    outcomes = {row: outcome for part in parts for row, outcome in part.outcomes.items()}
    ordered = {row: outcome for contestant in present for row, outcome in contestant.whole(outcomes).items()}
    return replace(parts[0], present=present, outcomes=ordered)


def _unheard(text: str) -> None:
    """Nobody listens at a worker."""


def told_of(suite: Suite, config: EvaluateConfig) -> Iterator[str]:
    """Lines on a suite before it is played: targets, days left out, traffic that is not filtered."""
    if config.log is not None:
        yield _targets_told(suite)
        yield from _left_out_told(suite)
    yield from missing_told(suite.name, suite.arena.forecast, config.traffic_filter).splitlines()
    if config.traffic_filter and not suite.arena.filtered:
        yield f"{suite.name}: its forecast tells no sources apart, so that no traffic is filtered"


def _targets_told(suite: Suite) -> str:
    """How many days of a log have a target cost, and which."""
    campaigns = suite.arena.campaigns
    target = target_cost(campaigns.bounds, campaigns.conversion_value, soft_alone=True)
    known = target[np.isfinite(target)]
    which = f", of {known.min():g} to {known.max():g}" if len(known) else ""
    return f"{suite.name}: {len(known)} of {len(target)} days have a target cost per conversion{which}"


def _left_out_told(suite: Suite) -> list[str]:
    """A line on the days that nothing can be won on, which have no R / R*; none where there are none."""
    kept = suite.arena.kept
    if kept.all():
        return []
    return [f"{suite.name}: {np.sum(~kept)} of {len(kept)} days are left out, as none of their auctions counts"]
