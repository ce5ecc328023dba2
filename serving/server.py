"""`bidpilot serve`: the two applications on their two addresses, in one event loop.

granian speaks HTTP in a thread of its own beside the bidder's loop and hands requests over by RSGI. Measured with
one body of 1 kB decoded by msgspec, 32 connections, on two busy cores: 10 to 18 thousand requests a second, 10 to 12
by ASGI, and 4.6 from uvicorn with httptools and uvloop, whose reading and writing are in the same thread.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Sequence

from granian.constants import HTTPModes, Interfaces
from granian.server.embed import Server

from bidpilot.bidding.errors import BidpilotError, InvalidServing
from bidpilot.bidding.traffic.sources import Sources
from bidpilot.serving.admin_app import AdminApp
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.build import open_bidder, secret
from bidpilot.serving.calendar import Clock, ManualClock
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.exchange_app import ExchangeApp
from bidpilot.serving.guardrails import LOGGER
from bidpilot.serving.http import Application
from bidpilot.serving.ledger.keeper import Work
from bidpilot.serving.metrics import Metrics
from bidpilot.serving.notices import Signer
from bidpilot.serving.openrtb import Reader, Writer
from bidpilot.serving.place import ALONE
from bidpilot.serving.predictor import load_predictor
from bidpilot.serving.worker import Worker, failed

_TICK = 0.05  # seconds
_BACKLOG = 2048
_PATIENCE = 500  # turns of 20 milliseconds until it listens


def run(config: ServeConfig) -> None:
    """Serve until SIGINT or SIGTERM, by one process or by several workers.

    Raises:
        InvalidBundle, BundleMismatch, InvalidServing, LedgerUnavailable: before anything is served.
    """
    _log()
    if config.workers > 1:
        from bidpilot.serving.workers import supervise  # which stands on this module

        supervise(config)
        return
    with asyncio.Runner(loop_factory=_loop) as runner:
        runner.run(_serve(config))


def run_worker(opened: Callable[[], Awaitable[tuple[ServeConfig, Worker]]]) -> int:
    """Serve as the worker that `opened` gives, until the supervisor says so or is gone; the exit status."""

    async def serve() -> int:
        config, worker = await opened()
        try:
            await _serve(config, worker)
        except BidpilotError as error:
            await failed(worker, error)
            return 1
        return 0

    _log()
    with asyncio.Runner(loop_factory=_loop) as runner:
        return runner.run(serve())


def _log() -> None:
    logging.basicConfig(format="%(message)s")
    LOGGER.setLevel(logging.INFO)


def _loop() -> asyncio.AbstractEventLoop:
    import uvloop

    return uvloop.new_event_loop()


async def _serve(config: ServeConfig, worker: Worker | None = None) -> None:
    loop = asyncio.get_running_loop()

    def deliver(results: Sequence[Work]) -> None:
        loop.call_soon_threadsafe(_run_all, results)

    clock: Clock = ManualClock() if config.clock == "manual" else time.time
    port, admin_port = config.port, config.admin_port
    if worker is None:  # a worker's are the supervisor's choice
        port, admin_port = free_port(config.host, port), free_port(config.admin_host, admin_port)
    bidder = open_bidder(config, clock, deliver, ALONE if worker is None else worker.place)
    exchange, admin = applications(bidder, config, config.public_url or f"http://{config.host}:{port}")
    servers = [_server(exchange, config.host, port), _server(admin, config.admin_host, admin_port)]
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    gc.collect()
    gc.freeze()  # what is loaded now stays: collections need not walk it again
    gc.set_threshold(50_000, 20, 50)
    tasks = [loop.create_task(server.serve()) for server in servers]
    ticking = loop.create_task(_tick(bidder))
    if worker is None:
        await _listening((config.host, port), (config.admin_host, admin_port))
        LOGGER.info(addresses(config.host, port, config.admin_host, admin_port))
    else:
        worker.attach(admin)
        worker.link.on_lost(stopping.set)  # nothing can be booked any more
        await worker.listening((port, admin_port))
    try:
        await stopping.wait()
    finally:
        exchange.draining = True
        ticking.cancel()
        for server in servers:
            server.stop()  # type: ignore[no-untyped-call]
        await asyncio.gather(*tasks, return_exceptions=True)
        bidder.close()


def applications(bidder: Bidder, config: ServeConfig, url: str) -> tuple[ExchangeApp, AdminApp]:
    """The two applications of a bidder; `url` is where exchanges send notices."""
    predictor = None if config.predictor is None else load_predictor(config.predictor)
    signer = Signer(secret(config, "notice.secret", "BIDPILOT_NOTICE_SECRET").encode())
    sources = Sources(bidder.desk.sources - 1)
    reader = Reader(bidder.bundle.manifest.segments, sources, config.currency, predictor, config.max_hold)
    metrics = Metrics(bidder, sources)
    exchange = ExchangeApp(bidder, config, signer, reader, Writer(signer, url), metrics)
    return exchange, AdminApp(bidder, reader, metrics, secret(config, "admin.token", "BIDPILOT_ADMIN_TOKEN"))


def _run_all(results: Sequence[Work]) -> None:
    for result in results:
        result()


async def _tick(bidder: Bidder) -> None:
    while True:
        await asyncio.sleep(_TICK)
        try:
            bidder.tick()
        except Exception:  # the clockwork must not stop
            LOGGER.exception("a tick failed")


def _server(app: ExchangeApp | AdminApp, host: str, port: int) -> Server:
    return Server(
        Application(app),
        address=host,
        port=port,
        interface=Interfaces.RSGI,
        http=HTTPModes.http1,
        websockets=False,
        backlog=_BACKLOG,
        log_enabled=False,
    )


def addresses(host: str, port: int, admin_host: str, admin_port: int) -> str:
    """The line that says where it is served."""
    return f"bids: http://{host}:{port}/openrtb2/bid   admin: http://{admin_host}:{admin_port}"


def free_port(host: str, port: int) -> int:
    """The port, or a free one for 0; granian would only log that it cannot listen.

    Raises:
        InvalidServing: nothing can listen there.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as at:
        at.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            at.bind((host, port))
            at.listen(1)  # two sockets may be bound to a port, but only one may listen
        except OSError as error:
            raise InvalidServing(f"cannot listen on {host}:{port} ({error}). Give another port.") from None
        found: int = at.getsockname()[1]
        return found


async def _listening(*addresses: tuple[str, int]) -> None:
    for host, port in addresses:
        for _ in range(_PATIENCE):
            try:
                _, writer = await asyncio.open_connection(host, port)
            except OSError:
                await asyncio.sleep(0.02)
                continue
            writer.close()
            break
        else:
            raise InvalidServing(f"the server does not listen on {host}:{port}. Give another address.")
