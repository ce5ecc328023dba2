"""Jobs in processes: every result once, whatever becomes of workers; what a job raises, the parent raises."""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from contextlib import suppress
from multiprocessing import active_children
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bidpilot import __version__
from bidpilot.bidding.errors import InvalidConfig
from bidpilot.training.jobs import on_ray
from bidpilot.training.jobs.attempt import ATTEMPTS, JobLost, attempt
from bidpilot.training.jobs.backend import Backend
from bidpilot.training.jobs.on_ray import RayUnavailable
from bidpilot.training.jobs.run import crew, run_jobs
from tests.training.jobs.works import Counting, Dying, Slow, divide, refuse_odd, square

KILLS = int(os.environ.get("BIDPILOT_JOB_KILLS", "2"))
"""How many workers are killed at random moments: 20 in the full measure."""
TWO = Backend(workers=2)


@pytest.mark.parametrize("backend", [Backend(), Backend(workers=1), Backend(workers=3)])
def test_every_job_has_its_result_once(backend: Backend) -> None:
    assert sorted(run_jobs(range(7), square, backend)) == [(k, k * k) for k in range(7)]
    assert list(run_jobs([], square, backend)) == []
    assert active_children() == []


def test_a_worker_is_kept_for_the_next_job_unless_each_is_to_have_its_own() -> None:
    kept = [result for _, result in run_jobs(range(4), Counting(), Backend(workers=1))]
    assert [done for done, _ in kept] == [1, 2, 3, 4]
    assert len({process for _, process in kept} - {os.getpid()}) == 1
    own = [result for _, result in run_jobs(range(2), Counting(), Backend(workers=1), afresh=True)]
    assert [done for done, _ in own] == [1, 1]
    assert len({process for _, process in own}) == 2


def test_what_a_job_raises_is_raised_and_no_worker_is_left() -> None:
    with pytest.raises(InvalidConfig, match=r"^1 is odd$"):
        list(run_jobs([0, 1, 2], refuse_odd, TWO))
    with pytest.raises(ZeroDivisionError) as caught:
        list(run_jobs([1, 0], divide, TWO))
    assert "In a worker" in caught.value.__notes__[0]
    assert active_children() == []


def test_a_job_whose_worker_dies_is_begun_again_and_the_parent_is_told(tmp_path: Path) -> None:
    lost: list[int] = []
    found = sorted(run_jobs(range(5), Dying(tmp_path, (1, 3)), TWO, lost=lost.append))
    assert found == [(k, k * k) for k in range(5)]
    assert sorted(lost) == [1, 3]


def test_a_job_that_takes_every_worker_down_is_given_up(tmp_path: Path) -> None:
    with pytest.raises(JobLost, match=f"job 1 was begun {ATTEMPTS} times"):
        list(run_jobs([0], Dying(tmp_path, (0,), ATTEMPTS), Backend(workers=1)))
    assert active_children() == []


def test_workers_killed_at_random_moments_lose_nothing(tmp_path: Path) -> None:
    """From outside, with -9, at a moment that has nothing to do with what the worker does."""
    rng, over, ended = random.Random(os.getpid()), threading.Event(), threading.Semaphore(1)

    killed = 0

    def kill() -> None:
        nonlocal killed
        for _ in range(KILLS):
            ended.acquire()  # a job has ended since the last kill, so that no job is hit until it is given up
            if over.wait(rng.uniform(0.0, 0.9)):
                return
            with suppress(ProcessLookupError, IndexError):
                os.kill(rng.choice(active_children()).pid or 0, signal.SIGKILL)
                killed += 1

    killer = threading.Thread(target=kill)
    killer.start()
    began = time.monotonic()
    jobs = range(4 + 10 * KILLS)
    found = []
    for place, result in run_jobs(jobs, Slow(tmp_path, 0.2), TWO):
        found.append((place, result))
        ended.release()
    over.set()
    killer.join()
    found.sort()
    assert killed >= KILLS // 2
    assert found == [(k, k * k) for k in jobs]
    assert active_children() == []
    assert time.monotonic() - began < 60 + 10 * KILLS


def test_an_address_is_of_a_cluster() -> None:
    with pytest.raises(InvalidConfig, match="--backend ray"):
        Backend.of("local", 2, "10.0.0.1:6379")
    assert Backend.of("ray", 0, "auto").address == "auto"


def test_ray_that_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(RayUnavailable, match=r"bidpilot\[ray\]"):
        list(run_jobs([1], square, Backend("ray")))


class _Ray:
    """As much of Ray as is needed to begin and to end it."""

    def __init__(self, answers: bool = True) -> None:
        self.answers, self.asked, self.running = answers, {}, False
        self.exceptions = SimpleNamespace(RayTaskError=KeyError, RayError=OSError)

    asked: dict[str, Any]

    def is_initialized(self) -> bool:
        return self.running

    def init(self, **asked: Any) -> None:
        if not self.answers:
            raise ConnectionError("nobody there")
        self.asked, self.running = asked, True

    def shutdown(self) -> None:
        self.running = False

    def put(self, value: Any) -> Any:
        return value

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 2.0}

    def remote(self, **_: Any) -> Any:
        return lambda made: made

    def wait(self, answers: list[Any]) -> Any:
        return answers[:1], answers[1:]


def test_a_ray_of_ones_own_is_on_loopback_without_a_dashboard_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", raising=False)
    ray = _Ray()
    monkeypatch.setitem(sys.modules, "ray", ray)
    with crew(square, Backend("ray")) as workers:
        assert (workers.size, ray.running) == (2, True)
    assert not ray.running
    assert (ray.asked["address"], ray.asked["include_dashboard"]) == ("local", False)
    assert os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] == "0"
    with crew(square, Backend("ray", 3, "head:6379")) as workers:
        assert workers.size == 3
    assert ray.asked["address"] == "head:6379"
    ray.running = True
    with crew(square, Backend("ray")):
        pass
    assert ray.running  # it was there before, so it stays


def test_a_cluster_that_does_not_answer_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", _Ray(answers=False))
    with pytest.raises(RayUnavailable, match="no Ray cluster answers at head:6379"):
        list(run_jobs([1], square, Backend("ray", 0, "head:6379")))


class _Unsendable(Exception):
    def __init__(self, what: str, more: int) -> None:
        super().__init__(f"{what} {more}")


def test_an_error_that_cannot_be_sent_is_told_in_its_words() -> None:
    def fail(job: object) -> None:
        raise _Unsendable("odd", 3)

    result, error = attempt(fail, None)
    assert result is None
    assert isinstance(error, RuntimeError)
    assert str(error) == "_Unsendable: odd 3"


def test_an_actor_does_a_job_of_its_own_version_alone() -> None:
    worker = on_ray._Worker(square)
    assert worker.do(3, __version__) == (9, None)
    _, error = worker.do(3, "0.0.1")
    assert isinstance(error, RayUnavailable)
