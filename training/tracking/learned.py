"""Training runs by the learner that they are of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from bidpilot.agents.learners.catalogue import learner_of
from bidpilot.bidding.errors import UnknownAgent
from bidpilot.training.tracking.find import RunInfo, latest_finished_run, resolve_run

Fit = tuple[str, Callable[[RunInfo], bool]]
"""Which runs are meant: in words, and of a run."""
ANY_MARKET: Final[Fit] = ("", lambda run: True)


def run_of(learner: str, reference: str) -> RunInfo:
    """The training that is meant, by its id, the beginning of one or its name, and which is the learner's.

    Raises:
        RunNotFound: no such run.
        AmbiguousRun: several.
        UnknownAgent: another learner trained it.
    """
    found = resolve_run(reference)
    own = learner_of(found.tags)
    if own != learner:
        raise UnknownAgent(
            f"run {found.told} was trained by {own}, not by {learner}: call it {own}@{found.run_id[:8]}."
        )
    return found


def latest_run_of(
    learner: str | None, experiment: str, tags: Mapping[str, str] | None = None, fits: Fit = ANY_MARKET
) -> RunInfo:
    """The training run of the learner that finished last, among those with all of `tags` that fit; None: of any.

    Raises:
        RunNotFound: where there is none.
    """
    words, fitting = fits
    said = " ".join(part for part in ("" if learner is None else f"by {learner}", words) if part)
    return latest_finished_run(
        experiment=experiment,
        tags=tags,
        wanted=(said, lambda run: learner in (None, learner_of(run.tags)) and fitting(run)),
    )
