"""Training runs by learner: the latest of one is not that of another, and a run is not taken for another learner's."""

import pytest

from bidpilot.agents.learners.catalogue import DEFAULT, LEARNERS
from bidpilot.bidding.errors import AmbiguousRun, RunNotFound, UnknownAgent
from bidpilot.training.tracking import open_run, resolve_run
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
    with pytest.raises(UnknownAgent, match=f"call it {OTHER}@{run[:8]}"):
        run_of(DEFAULT, run)


def test_a_run_is_meant_by_id_by_the_beginning_of_an_id_and_by_name() -> None:
    run = finished("meant", learner=OTHER)
    with open_run("meant", "ppo daily s7", {}, {"learner": DEFAULT}) as named:
        pass
    for reference in (run, run[:31]):
        assert resolve_run(reference).run_id == run
    assert resolve_run("ppo daily s7").run_id == named.run_id
    assert run_of(DEFAULT, named.run_id[:31]).run_id == named.run_id


def test_a_name_of_several_runs_is_refused_with_those_that_it_may_be() -> None:
    runs = []
    for _ in range(2):
        with open_run("twice", "twins", {}, {"learner": DEFAULT}) as tracked:
            runs.append(tracked.run_id)
    with pytest.raises(AmbiguousRun, match="2 train runs") as caught:
        resolve_run("twins")
    assert all(run[:12] in str(caught.value) for run in runs)


def test_a_run_that_is_no_training_is_not_taken_for_one() -> None:
    trained = finished("kinds", learner=DEFAULT)
    with open_run("kinds", "played", {}, {"source_run": trained}, kind="evaluate") as played:
        pass
    for reference in (played.run_id, played.run_id[:31], "played"):
        with pytest.raises(RunNotFound, match=f"of kind evaluate, not train: it played {trained}"):
            resolve_run(reference)
    assert resolve_run(played.run_id, ("evaluate",)).run_id == played.run_id


@pytest.mark.parametrize("reference", ["", "nobody's", "0" * 32, "%", "12 or 1 = 1"])
def test_a_reference_to_no_run_names_the_latest_finished(reference: str) -> None:
    last = finished("none", learner=DEFAULT)
    with pytest.raises(RunNotFound, match=last):
        resolve_run(reference)
