"""Jobs in spawned processes of this machine, each with one numerical thread."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import connection, get_context, parent_process
from multiprocessing.connection import Connection
from threading import Thread
from typing import Any, Final

from bidpilot.training.jobs.attempt import Lost, Queue, attempt

_THREADS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")  # libraries read them when they are loaded
_END_S: Final = 5.0  # that a worker has to end in


class _Worker:
    """A process, and what it is sent and answers."""

    def __init__(self, work: Callable[[Any], Any]) -> None:
        context = get_context("spawn")  # a fork after compiled parallel code would hang
        self.answers, theirs = context.Pipe()
        self.place: int | None = None  # of the job that it does
        self._process = context.Process(target=_serve, args=(theirs, work), daemon=True)
        self._process.start()
        theirs.close()  # so that its end is seen here

    def begin(self, place: int, job: Any) -> None:
        """Send a job; one that has ended meanwhile is found out when it answers nothing."""
        self.place = place
        with suppress(BrokenPipeError, ConnectionResetError):
            self.answers.send(job)

    def end(self) -> None:
        """End the process, whatever it does."""
        self._process.terminate()
        self._process.join(_END_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self.answers.close()


class _Processes:
    """Workers between jobs and at them."""

    def __init__(self, work: Callable[[Any], Any], size: int) -> None:
        self.size = size
        self._work = work
        self._busy: dict[Connection, _Worker] = {}
        self._idle: list[_Worker] = []

    def run(self, jobs: Sequence[Any], lost: Lost | None, afresh: bool) -> Iterator[tuple[int, Any]]:
        """Each job's place and its result, as they come; as `run_jobs` says."""
        queue = Queue(len(jobs), lost)
        while queue or self._busy:
            while queue and len(self._busy) < self.size:
                worker = self._idle.pop() if self._idle else _Worker(self._work)
                self._busy[worker.answers] = worker
                place = queue.next()
                worker.begin(place, jobs[place])
            for answers in connection.wait(list(self._busy)):
                assert isinstance(answers, Connection)
                worker = self._busy.pop(answers)
                assert worker.place is not None
                try:
                    result, error = answers.recv()
                except (EOFError, OSError):
                    worker.end()
                    queue.again(worker.place)
                    continue
                if afresh:
                    worker.end()
                else:
                    self._idle.append(worker)
                if error is not None:
                    raise error
                yield worker.place, result

    def end(self) -> None:
        """End all, whatever they do."""
        for worker in (*self._busy.values(), *self._idle):
            worker.end()


@contextmanager
def processes(work: Callable[[Any], Any], size: int) -> Iterator[_Processes]:
    """At most so many workers that hold the work, begun as jobs come; they end with the block."""
    found = _Processes(work, size)
    with _one_thread():
        try:
            yield found
        finally:
            found.end()


def _serve(answers: Connection, work: Callable[[Any], Any]) -> None:
    """What a worker does until it is ended, or its parent ends, however that ends."""
    parent = parent_process()
    assert parent is not None

    def watch(sentinel: int) -> None:
        connection.wait([sentinel])
        os._exit(1)

    Thread(target=watch, args=(parent.sentinel,), daemon=True).start()
    with suppress(EOFError, KeyboardInterrupt):
        while True:
            answers.send(attempt(work, answers.recv()))


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
