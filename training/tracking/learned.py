"""Training runs by the learner that they are of."""

from __future__ import annotations

from collections.abc import Mapping

from bidpilot.agents.learners.catalogue import learner_of
from bidpilot.bidding.errors import UnknownAgent
from bidpilot.training.tracking.find import RunInfo, find_run, latest_finished_run


def run_of(learner: str, run_id: str) -> RunInfo:
    """The run with this id, which the learner trained.

    Raises:
        RunNotFound: no such run.
        UnknownAgent: another learner trained it.
    """
    found = find_run(run_id)
    own = learner_of(found.tags)
    if own != learner:
        raise UnknownAgent(f"run {run_id} was trained by {own}, not by {learner}: call it {own}@{run_id}.")
    return found


def latest_run_of(learner: str, experiment: str, tags: Mapping[str, str] | None = None) -> RunInfo:
    """The training run of the learner that finished last, among those with all of `tags`.

    Raises:
        RunNotFound: where there is none.
    """
    return latest_finished_run(
        experiment=experiment, tags=tags, wanted=(f"by {learner}", lambda run: learner_of(run.tags) == learner)
    )
