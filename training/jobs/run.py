"""Jobs done by a backend."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from bidpilot.training.jobs.attempt import Lost
from bidpilot.training.jobs.backend import Backend

J = TypeVar("J")
R = TypeVar("R")


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
    if backend.here:
        yield from ((place, work(job)) for place, job in enumerate(jobs))
    elif not jobs:
        return
    elif backend.name == "ray":
        from bidpilot.training.jobs.on_ray import on_ray

        yield from on_ray(jobs, work, backend, lost, afresh)
    else:
        from bidpilot.training.jobs.local import in_processes

        yield from in_processes(jobs, work, backend.side_by_side(len(jobs)), lost, afresh)
