"""Training runs by learner: the latest of one is not that of another, and a run is not taken for another learner's."""

import pytest

from bidpilot.agents.learners.catalogue import DEFAULT, LEARNERS
from bidpilot.bidding.errors import RunNotFound, UnknownAgent
from bidpilot.training.tracking import open_run
from bidpilot.training.tracking.learned import latest_run_of, run_of

pytestmark = pytest.mark.usefixtures("project")

(OTHER,) = set(LEARNERS) - {DEFAULT}


def finished(experiment: str, **tags: str) -> str:
    with open_run(experiment, None, {}, tags) as tracked:
        return tracked.run_id


def test_the_latest_run_is_the_learners_own_and_one_that_does_not_say_is_the_first_learners() -> None:
    untagged = finished("latest", setting="steady")
    own, other = finished("latest", learner=DEFAULT), finished("latest", learner=OTHER)
    assert latest_run_of(OTHER, "latest").run_id == other
    assert latest_run_of(DEFAULT, "latest").run_id == own
    assert latest_run_of(DEFAULT, "latest", {"setting": "steady"}).run_id == untagged
    with pytest.raises(RunNotFound, match=f"by {OTHER} with setting = steady"):
        latest_run_of(OTHER, "latest", {"setting": "steady"})


def test_a_run_is_refused_under_another_learners_name() -> None:
    run = finished("named", learner=OTHER)
    assert run_of(OTHER, run).run_id == run
    with pytest.raises(UnknownAgent, match=f"call it {OTHER}@{run}"):
        run_of(DEFAULT, run)
