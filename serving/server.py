"""`bidpilot serve`: the two applications on their two addresses, in one event loop.

uvicorn with httptools and uvloop: of the servers measured it answers most requests a second with the lower tail
(`benchmarks/serving.py`); requests are decoded by msgspec.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
import time
from collections.abc import Sequence

import uvicorn

from bidpilot.bidding.errors import InvalidServing
from bidpilot.serving.admin_app import AdminApp
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.build import open_bidder, secret
from bidpilot.serving.calendar import Clock, ManualClock
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.exchange_app import ExchangeApp
from bidpilot.serving.guardrails import LOGGER
from bidpilot.serving.ledger.keeper import Work
from bidpilot.serving.metrics import Metrics
from bidpilot.serving.notices import Signer
from bidpilot.serving.openrtb import Reader, Writer
from bidpilot.serving.predictor import load_predictor

_TICK = 0.05  # seconds
_BACKLOG = 2048


class _Quiet(uvicorn.Server):
    """A server among others in one loop: signals are the caller's."""

    def install_signal_handlers(self) -> None:  # of older versions
        """Leave signals alone."""

    def capture_signals(self):  # type: ignore[no-untyped-def]
        """Leave signals alone."""
        from contextlib import nullcontext

        return nullcontext()


def run(config: ServeConfig) -> None:
    """Serve until SIGINT or SIGTERM.

    Raises:
        InvalidBundle, BundleMismatch, InvalidServing, LedgerUnavailable: before anything is served.
    """
    logging.basicConfig(format="%(message)s")
    LOGGER.setLevel(logging.INFO)
    with asyncio.Runner(loop_factory=_loop) as runner:
        runner.run(_serve(config))


def _loop() -> asyncio.AbstractEventLoop:
    import uvloop

    return uvloop.new_event_loop()


async def _serve(config: ServeConfig) -> None:
    loop = asyncio.get_running_loop()

    def deliver(results: Sequence[Work]) -> None:
        loop.call_soon_threadsafe(_run_all, results)

    clock: Clock = ManualClock() if config.clock == "manual" else time.time
    sockets = [_listen(config.host, config.port), _listen(config.admin_host, config.admin_port)]
    port, admin_port = (s.getsockname()[1] for s in sockets)
    bidder = open_bidder(config, clock, deliver)
    exchange, admin = applications(bidder, config, config.public_url or f"http://{config.host}:{port}")
    servers = [_Quiet(_settings(app)) for app in (exchange, admin)]
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    gc.collect()
    gc.freeze()  # what is loaded now stays: collections need not walk it again
    gc.set_threshold(50_000, 20, 50)
    tasks = [loop.create_task(s.serve(sockets=[at])) for s, at in zip(servers, sockets, strict=True)]
    ticking = loop.create_task(_tick(bidder))
    LOGGER.info(f"bids: http://{config.host}:{port}/openrtb2/bid   admin: http://{config.admin_host}:{admin_port}")
    try:
        await stopping.wait()
    finally:
        exchange.draining = True
        ticking.cancel()
        for server in servers:
            server.should_exit = True
        await asyncio.gather(*tasks)
        bidder.close()


def applications(bidder: Bidder, config: ServeConfig, url: str) -> tuple[ExchangeApp, AdminApp]:
    """The two applications of a bidder; `url` is where exchanges send notices."""
    predictor = None if config.predictor is None else load_predictor(config.predictor)
    signer = Signer(secret(config, "notice.secret", "BIDPILOT_NOTICE_SECRET").encode())
    reader = Reader(bidder.bundle.manifest.segments, config.sources, config.currency, predictor)
    metrics = Metrics(bidder)
    exchange = ExchangeApp(bidder, config, signer, reader, Writer(signer, url, config.bid_expiry), metrics)
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


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    at = socket.socket(family, socket.SOCK_STREAM)
    at.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        at.bind((host, port))
    except OSError as error:
        at.close()
        raise InvalidServing(f"cannot listen on {host}:{port} ({error}). Give another port.") from None
    at.listen(_BACKLOG)
    at.setblocking(False)
    return at


def _settings(app: ExchangeApp | AdminApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=5,
        backlog=_BACKLOG,
    )
