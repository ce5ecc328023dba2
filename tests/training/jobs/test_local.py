"""Jobs in processes: every result once, whatever becomes of workers; what a job raises, the parent raises."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from contextlib import suppress
from multiprocessing import active_children
from pathlib import Path

import pytest

from bidpilot.bidding.errors import InvalidConfig
from bidpilot.training.jobs.attempt import ATTEMPTS, JobLost
from bidpilot.training.jobs.backend import Backend
from bidpilot.training.jobs.run import run_jobs
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
    rng, over = random.Random(os.getpid()), threading.Event()

    def kill() -> None:
        for _ in range(KILLS):
            if over.wait(rng.uniform(0.1, 0.9)):
                return
            while not (alive := active_children()) and not over.wait(0.05):
                pass
            with suppress(ProcessLookupError, IndexError):
                os.kill(rng.choice(alive).pid or 0, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    began = time.monotonic()
    jobs = range(4 + 2 * KILLS)
    found = sorted(run_jobs(jobs, Slow(tmp_path, 0.2), TWO))
    over.set()
    killer.join()
    assert found == [(k, k * k) for k in jobs]
    assert active_children() == []
    assert time.monotonic() - began < 60 + 10 * KILLS


def test_an_address_is_of_a_cluster() -> None:
    with pytest.raises(InvalidConfig, match="--backend ray"):
        Backend.of("local", 2, "10.0.0.1:6379")
    assert Backend.of("ray", 0, "auto").address == "auto"
