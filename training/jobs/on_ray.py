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


def on_ray(
    jobs: Sequence[Any], work: Callable[[Any], Any], backend: Backend, lost: Lost | None, afresh: bool
) -> Iterator[tuple[int, Any]]:
    """Each job's place and its result, as they come; as `run_jobs` says.

    Raises:
        RayUnavailable: it is not installed, or no cluster answers.
    """
    with _cluster(backend.address) as ray:
        kept, made = ray.put(work), ray.remote(num_cpus=1, max_restarts=0)(_Worker)
        count = min(len(jobs), backend.workers or int(ray.cluster_resources().get("CPU", 1)))
        queue, busy, idle = Queue(len(jobs), lost), {}, []
        try:
            while queue or busy:
                while queue and len(busy) < count:
                    actor, place = idle.pop() if idle else made.remote(kept), queue.next()
                    busy[actor.do.remote(jobs[place], __version__)] = (actor, place)
                (answer, *_), _ = ray.wait(list(busy))
                actor, place = busy.pop(answer)
                try:
                    result, error = ray.get(answer)
                except ray.exceptions.RayTaskError:
                    raise
                except ray.exceptions.RayError:  # killed, out of memory, or its node is gone
                    queue.again(place)
                    continue
                idle.append(actor)
                while idle and (afresh or not queue):  # one that waits for a CPU may have it
                    ray.kill(idle.pop())
                if error is not None:
                    raise error
                yield place, result
        finally:
            for actor in (*(actor for actor, _ in busy.values()), *idle):
                ray.kill(actor)


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
