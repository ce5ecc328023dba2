"""Trainings side by side: each in a spawned process of its own, with one numerical thread."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager, redirect_stdout
from itertools import islice
from multiprocessing import connection, get_context, parent_process
from threading import Thread

from bidpilot.training.ablate.jobs import KIND, Job
from bidpilot.training.train.run import run as train

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")  # libraries read them when they are loaded


def trained(jobs: Sequence[Job], workers: int, tags: Mapping[str, str]) -> Iterator[tuple[Job, str]]:
    """Each job with the id of its run, as it ends; `tags` are set on every run.

    A training that fails ends all: those that run beside it come to their end, the rest are not begun.
    """
    waiting = iter(jobs)
    running: dict[Future[str], Job] = {}
    context = get_context("spawn")
    # a new process for each: markets and models of one training take up to 1 GB, and not all of it is given back
    with _one_thread(), ProcessPoolExecutor(workers, context, _end_with_parent, max_tasks_per_child=1) as pool:
        # No more than run at once are handed over: the pool could not take the others back.
        for job in islice(waiting, workers):
            running[pool.submit(_train, job, tags)] = job
        while running:
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield running.pop(future), future.result()
                for job in islice(waiting, 1):
                    running[pool.submit(_train, job, tags)] = job


def _train(job: Job, tags: Mapping[str, str]) -> str:
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
        return train(job.config, KIND, {**tags, **job.tags})


def _end_with_parent() -> None:
    """Let this process end when its parent does, however that ends."""
    parent = parent_process()
    assert parent is not None

    def watch(sentinel: int) -> None:
        connection.wait([sentinel])
        os._exit(1)

    Thread(target=watch, args=(parent.sentinel,), daemon=True).start()


@contextmanager
def _one_thread() -> Iterator[None]:
    """Processes begun meanwhile have one numerical thread: more collapse as soon as a neighbour is busy."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
