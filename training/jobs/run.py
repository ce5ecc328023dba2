"""Jobs done by a backend."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Generic, Protocol, TypeVar

from bidpilot.training.jobs.attempt import Lost
from bidpilot.training.jobs.backend import Backend

J = TypeVar("J")
R = TypeVar("R")


class Workers(Protocol):
    """Who does jobs: what a backend brings."""

    @property
    def size(self) -> int:
        """How many are done side by side."""

    def run(self, jobs: Sequence[Any], lost: Lost | None, afresh: bool) -> Iterator[tuple[int, Any]]:
        """Each job's place and its result, as they come."""


class Crew(Generic[J, R]):
    """Workers that hold one work between calls; as `crew` makes them."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    @property
    def size(self) -> int:
        """Jobs side by side."""
        return self._workers.size

    def run(self, jobs: Sequence[J], lost: Lost | None = None, afresh: bool = False) -> Iterator[tuple[int, R]]:
        """Each job's place and its result, as they come; as `run_jobs` says."""
        return self._workers.run(jobs, lost, afresh)

    def results(self, jobs: Sequence[J]) -> list[R]:
        """The results in the order of the jobs."""
        found = dict(self.run(jobs))
        return [found[place] for place in range(len(jobs))]


@contextmanager
def crew(work: Callable[[J], R], backend: Backend) -> Iterator[Crew[J, R]]:
    """Workers to whom `work` is sent once, for jobs that are not all known at once.

    Raises:
        RayUnavailable: the backend is ray, and it is not installed, or no cluster answers.
    """
    if backend.here:
        yield Crew(_Here(work))
    elif backend.name == "ray":
        from bidpilot.training.jobs.on_ray import actors

        with actors(work, backend) as workers:
            yield Crew(workers)
    else:
        from bidpilot.training.jobs.local import processes

        with processes(work, backend.workers) as workers:
            yield Crew(workers)


def run_jobs(
    jobs: Sequence[J],
    work: Callable[[J], R],
    backend: Backend,
    *,
    lost: Lost | None = None,
    afresh: bool = False,
) -> Iterator[tuple[int, R]]:
    """Each job's place and its result, as they come.

    `work` is sent to every worker once, by value, with all that it holds; a worker does one job after the other, so
    that what `work` keeps between them is made once. A job whose worker ends is begun again by another. A job that
    raises ends all: what it raised is raised here, those beside it are given up, the rest are not begun.

    Args:
        jobs: what is to be done; can be pickled, as their results.
        work: does one; a function of a module, or an object of a class of one that can be called.
        backend: where.
        lost: told of every job whose worker has ended, before it is begun again.
        afresh: whether every job has a worker of its own, whose memory goes with it.

    Raises:
        JobLost: every worker that began a job has ended.
        RayUnavailable: the backend is ray, and it is not installed, or no cluster answers.
    """
    if jobs:
        with crew(work, backend) as workers:
            yield from workers.run(jobs, lost, afresh)


class _Here:
    """This process."""

    size = 1

    def __init__(self, work: Callable[[Any], Any]) -> None:
        self._work = work

    def run(self, jobs: Sequence[Any], lost: Lost | None, afresh: bool) -> Iterator[tuple[int, Any]]:
        """One after the other."""
        yield from ((place, self._work(job)) for place, job in enumerate(jobs))
