"""`bidpilot serve --workers N`: the supervisor, which starts N servers on one port and holds the ledger of the machine.

It bids nothing itself. A worker that ends is started again; signals are passed on; all end together. A worker knows by
its link that the supervisor is gone, and ends too: nothing could be booked any more.
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from bidpilot.bidding import errors
from bidpilot.bidding.errors import BidpilotError, InvalidServing, LinkLost
from bidpilot.serving.calendar import SteadyClock
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.guardrails import LOGGER, Cause, EventLog
from bidpilot.serving.ledger.machine import SOCKET, MachineLedger
from bidpilot.serving.ledger.sqlite import SqliteStore
from bidpilot.serving.link import Handler, Link
from bidpilot.serving.listeners import Addresses, addresses, kept
from bidpilot.serving.metrics_sum import Family, Totals, exposition
from bidpilot.serving.place import Place
from bidpilot.serving.pulse import watch
from bidpilot.serving.server import say
from bidpilot.serving.siblings import PREFIX
from bidpilot.serving.worker import (
    BUNDLE,
    EVERYONE,
    FAILED,
    HEARD,
    LISTENING,
    METRICS,
    NUMBERS,
    PASS,
    PREDICTOR,
    PROGRAM,
    RENEW,
    SIBLINGS,
    START,
    SWAP,
    SWAPPING,
    start_message,
)

_REST = (0.1, 30.0)  # seconds before a worker is started again: at first, doubled each time it ends early, and at most
_EARLY = 10.0  # seconds
_PATIENCE = 3.0  # seconds in which the workers of a supervisor that was killed let their port go

_FAMILIES = msgspec.msgpack.Decoder(list[Family])


def supervise(config: ServeConfig) -> None:
    """Serve by `config.workers` processes until SIGINT or SIGTERM.

    Raises:
        InvalidServing: the clock is manual, or an address is taken.
        BidpilotError: whatever the first worker cannot start for, as `server.run` does.
    """
    if config.clock == "manual":
        raise InvalidServing("a clock that is moved by hand is one process's: use --workers 1 with --clock manual.")
    if sys.platform != "linux":
        raise InvalidServing("several workers share a port as Linux does it. Use --workers 1 here.")
    at = _addresses(config)
    with ExitStack() as open_:
        open_.enter_context(kept(at))
        path = open_.enter_context(_ledger(config.state)) if config.redis is None else None
        asyncio.run(Supervisor(config, at, path).run())


class Supervisor:
    """Starts the workers of a configuration, and keeps them running.

    Args:
        config: of each worker.
        at: where all of them listen.
        ledger: the socket of the ledger of the machine, or None where the budget is shared elsewhere.
    """

    def __init__(self, config: ServeConfig, at: Addresses, ledger: Path | None) -> None:
        self.config, self._at = config, at
        self._places = [Place(index, config.workers, ledger) for index in range(config.workers)]
        self._running: dict[int, Process] = {}  # by place
        self._totals = Totals()
        self._events = EventLog(time.time, "workers")
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Serve until told to stop.

        Raises:
            BidpilotError: a worker could not start at first, and why.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._pass_on, number, True)
        loop.add_signal_handler(signal.SIGHUP, self._pass_on, signal.SIGHUP, False)
        try:
            # the first makes what is made once: secrets, the state's tables
            await self._start(self._places[0])
            await asyncio.gather(*(self._start(place) for place in self._places[1:]))
            if not self._stopping.is_set():
                say(self._at)
            watching = loop.create_task(
                watch(lambda: [*self._running.values()], self._silent, self.config.worker_silence)
            )
            await asyncio.gather(*(self._keep(place) for place in self._places))
            watching.cancel()
        finally:
            await self._end()

    def _pass_on(self, number: int, stop: bool) -> None:
        """Hand a signal to every worker."""
        if stop:
            self._stopping.set()
        for process in self._running.values():
            process.signal(number)

    def _silent(self, number: int) -> None:
        """A worker is killed for its silence."""
        self._events.record(Cause.worker_silent, f"process {number} answers nothing and is killed", always=True)

    async def _start(self, place: Place) -> None:
        """Start a worker and wait until it takes connections."""
        if self._stopping.is_set():
            return
        handlers: dict[str, Handler] = {
            METRICS: self._metrics, EVERYONE: self._everyone, PASS: self._pass,
            BUNDLE: lambda body: self._take(SWAP, "bundle", body),
            PREDICTOR: lambda body: self._take(RENEW, "predictor_file", body),
        }  # fmt: skip
        process = self._running[place.index] = await Process.start(self.config, place, self._at, handlers)
        try:
            await process.ready()
        except BidpilotError:
            if not self._stopping.is_set():  # told to end while it was starting, it need not have come so far
                raise
        self._introduce()

    def _introduce(self) -> None:
        """Tell every worker which others there are."""
        serving = [process for process in self._running.values() if process.serves]
        for process in serving:
            others = [other.prefix for other in serving if other is not process]
            process.link.tell(SIBLINGS, json.dumps(others).encode())

    async def _keep(self, place: Place) -> None:
        """Start a worker again whenever it ends, until all are to end."""
        rest, most = _REST
        while True:
            process = self._running[place.index]
            status = await process.ended()
            self._totals.end(process.number)
            self._introduce()
            if self._stopping.is_set():
                return
            rest = min(2 * rest, most) if time.monotonic() - process.began < _EARLY else _REST[0]
            self._events.record(Cause.worker_ended, f"worker {place.index} has ended with {status}, again in {rest} s")
            try:
                async with asyncio.timeout(rest):
                    await self._stopping.wait()
                return
            except TimeoutError:
                pass
            try:
                await self._start(place)
            except BidpilotError as error:
                LOGGER.warning("worker %d cannot start: %s", place.index, error)

    async def _end(self) -> None:
        """Let no worker outlive this; those that were told to end are waited for."""
        if not self._stopping.is_set():
            self._pass_on(signal.SIGTERM, True)
        for process in list(self._running.values()):
            await process.ended()

    # --- what workers ask for --------------------------------------------------------------------

    async def _metrics(self, _: bytes) -> bytes:
        """The sum over all workers."""
        running = [self._running[index] for index in sorted(self._running)]

        async def take(process: Process) -> None:
            with suppress(LinkLost):  # what it told last stands
                self._totals.take(process.number, _FAMILIES.decode(await process.link.ask(NUMBERS)))

        await asyncio.gather(*(take(process) for process in running))
        return exposition(self._totals.sum((process.number for process in running), self._own()))

    async def _pass(self, body: bytes) -> bytes:
        """What a worker has heard of another's bids, whose prefix comes first."""
        prefix = body[:PREFIX].decode()
        for process in self._running.values():
            if process.prefix == prefix:
                process.link.tell(HEARD, body[PREFIX:])
        return b""

    async def _take(self, what: str, setting: str, body: bytes) -> bytes:
        """Have one worker take another file, and then the rest; one that starts later begins with it."""
        first, *rest = [process for process in self._running.values() if process.serves]
        status, found = json.loads(await first.link.ask(what, body, SWAPPING))
        if status < 400:
            self.config = self.config.model_copy(update={setting: Path(json.loads(body)["path"])})
            asked = (process.link.ask(what, body, SWAPPING) for process in rest)
            answers = await asyncio.gather(*asked, return_exceptions=True)
            took = [isinstance(a, bytes) and json.loads(a)[0] < 400 for a in answers]
            found |= {"workers": 1 + sum(took), "of": self.config.workers}
        return json.dumps([status, found]).encode()

    async def _everyone(self, what: bytes) -> bytes:
        """What each worker answers to one question, in their order; those that do not answer are left out."""
        running = [self._running[index] for index in sorted(self._running)]
        answers = await asyncio.gather(
            *(process.link.ask(what.decode()) for process in running), return_exceptions=True
        )
        return msgspec.msgpack.encode([a for a in answers if isinstance(a, bytes)])

    def _own(self) -> Iterator[Metric]:
        serve = sum(process.serves for process in self._running.values())
        yield GaugeMetricFamily("bidpilot_workers", "Workers that serve.", value=float(serve))
        text = "Interventions of guardrails, by cause."
        events = CounterMetricFamily("bidpilot_guardrail_events", text, labels=["cause"])
        for cause, count in self._events.counts.items():
            events.add_metric([cause.value], count)
        yield events


class Process:
    """One worker's process and the link to it."""

    def __init__(self, process: asyncio.subprocess.Process, place: Place) -> None:
        self._process, self.place = process, place
        self.began, self.prefix = time.monotonic(), ""  # of its bids, once it serves
        self._listening: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    link: Link

    @classmethod
    async def start(cls, config: ServeConfig, place: Place, at: Addresses, handlers: Mapping[str, Handler]) -> Process:
        """Start it and tell it what to serve."""
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, *(["-I"] if sys.flags.isolated else []), "-c", PROGRAM]
            made = await asyncio.create_subprocess_exec(
                *command,
                json.dumps(sys.path),
                str(theirs.fileno()),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                process_group=0,  # a terminal's interrupt comes to the supervisor alone, which passes it on
            )
        process = cls(made, place)
        own: dict[str, Handler] = {LISTENING: process._listens, FAILED: process._failed}
        process.link = await Link.over(ours, {**handlers, **own})
        process.link.tell(START, start_message(config, place, at))
        return process

    @property
    def number(self) -> int:
        """The process's."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process.returncode is None

    @property
    def serves(self) -> bool:
        """Whether it runs and takes connections."""
        return self.alive and self._listening.done() and self._listening.exception() is None

    async def ready(self) -> None:
        """Wait until it takes connections.

        Raises:
            BidpilotError: it cannot, and why.
        """
        ended = asyncio.get_running_loop().create_task(self._process.wait())
        waiting: list[asyncio.Future[Any]] = [ended, self._listening]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if self._listening.done():
            ended.cancel()
            self._listening.result()
            return
        raise InvalidServing(f"worker {self.place.index} ended with {ended.result()} before it served. See its log.")

    async def ended(self) -> int:
        """Its exit status; the link is closed."""
        status = await self._process.wait()
        self.link.close()
        return status

    def signal(self, number: int) -> None:
        """Send it a signal."""
        if self.alive:
            self._process.send_signal(number)

    async def _listens(self, prefix: bytes) -> bytes:
        self.prefix = prefix.decode()
        if not self._listening.done():
            self._listening.set_result(None)
        return b""

    async def _failed(self, body: bytes) -> bytes:
        kind, text = json.loads(body)
        found = getattr(errors, kind, InvalidServing)
        if not self._listening.done():
            self._listening.set_exception(found(text))
        return b""


def _addresses(config: ServeConfig) -> Addresses:
    """Those of the configuration; the workers of a supervisor that was killed may still be about to let them go."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return addresses(config)
        except InvalidServing:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


@contextmanager
def _ledger(folder: Path) -> Iterator[Path]:
    store = SqliteStore(folder / "ledger.sqlite", SteadyClock(time.time), shared=True)
    path = folder / SOCKET
    try:
        ledger = MachineLedger(store, path)
    except BidpilotError:
        store.close()
        raise
    ledger.start()
    try:
        yield path.absolute()
    finally:
        ledger.stop()
