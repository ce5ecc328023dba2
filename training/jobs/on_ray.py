"""Jobs on a cluster of Ray: actors that each hold the work, and are given one job after the other."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from bidpilot import __version__
from bidpilot.bidding.errors import BidpilotError
from bidpilot.training.jobs.attempt import Lost, Queue, attempt
from bidpilot.training.jobs.backend import Backend

_ON_LOOPBACK: Final = ("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
"""What Ray reads when it is imported: where it is off, whatever it starts listens on loopback alone."""


class RayUnavailable(BidpilotError):
    """Ray is not installed, no cluster answers, or its nodes have another version of bidpilot."""


class _Worker:
    """What an actor is: it keeps the work between jobs."""

    def __init__(self, work: Callable[[Any], Any]) -> None:
        self._work = work

    def do(self, job: Any, version: str) -> tuple[Any, BaseException | None]:
        """The job's result, or what it raised."""
        if version != __version__:
            return None, RayUnavailable(f"a node has bidpilot {__version__}, the parent {version}. Install the same.")
        return attempt(self._work, job)


class _Actors:
    """Workers between jobs and at them."""

    def __init__(self, ray: Any, work: Callable[[Any], Any], workers: int) -> None:
        self.size = workers or int(ray.cluster_resources().get("CPU", 1))
        self._ray, self._kept = ray, ray.put(work)
        self._made = ray.remote(num_cpus=1, max_restarts=0)(_Worker)
        self._busy: dict[Any, tuple[Any, int]] = {}  # actor and place by the answer to come
        self._idle: list[Any] = []

    def run(self, jobs: Sequence[Any], lost: Lost | None, afresh: bool) -> Iterator[tuple[int, Any]]:
        """Each job's place and its result, as they come; as `run_jobs` says."""
        ray, queue = self._ray, Queue(len(jobs), lost)
        while queue or self._busy:
            while queue and len(self._busy) < self.size:
                actor, place = self._idle.pop() if self._idle else self._made.remote(self._kept), queue.next()
                self._busy[actor.do.remote(jobs[place], __version__)] = (actor, place)
            (answer, *_), _ = ray.wait(list(self._busy))
            actor, place = self._busy.pop(answer)
            try:
                result, error = ray.get(answer)
            except ray.exceptions.RayTaskError:
                raise
            except ray.exceptions.RayError:  # killed, out of memory, or its node is gone
                queue.again(place)
                continue
            self._idle.append(actor)
            waits = self._busy and not queue  # a worker that waits for a CPU may have that of one without a job
            while self._idle and (afresh or waits):
                ray.kill(self._idle.pop())
            if error is not None:
                raise error
            yield place, result

    def end(self) -> None:
        """End all, whatever they do."""
        for actor in (*(actor for actor, _ in self._busy.values()), *self._idle):
            self._ray.kill(actor)


@contextmanager
def actors(work: Callable[[Any], Any], backend: Backend) -> Iterator[_Actors]:
    """Workers on a cluster that hold the work; they end with the block.

    Raises:
        RayUnavailable: it is not installed, or no cluster answers.
    """
    with _cluster(backend.address) as ray:
        found = _Actors(ray, work, backend.workers)
        try:
            yield found
        finally:
            found.end()


@contextmanager
def _cluster(address: str | None) -> Iterator[Any]:
    """Ray itself, connected: to what this process is connected to already, to the cluster there, or to one of its own.

    Raises:
        RayUnavailable: it is not installed, or no cluster answers.
    """
    if address is None:
        os.environ.setdefault(*_ON_LOOPBACK)
    try:
        import ray
    except ImportError as error:
        raise RayUnavailable("ray is not installed. Say: pip install 'bidpilot[ray]', on every node.") from error
    if ray.is_initialized():
        yield ray
        return
    own = {} if address else {"include_dashboard": False}
    try:
        ray.init(address=address or "local", log_to_driver=False, logging_level=logging.ERROR, **own)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise RayUnavailable(f"no Ray cluster answers at {address} ({error}). Start one: ray start --head.") from error
    try:
        yield ray
    finally:
        ray.shutdown()
