"""`bidpilot serve`: the applications on their addresses, in one event loop, until it is asked to stop.

granian speaks HTTP in a thread of its own beside the bidder's loop and hands requests over by RSGI. Measured with
one body of 1 kB decoded by msgspec, 32 connections, on two busy cores: 10 to 18 thousand requests a second, 10 to 12
by ASGI, and 4.6 from uvicorn with httptools and uvloop, whose reading and writing are in the same thread.

SIGTERM drains (`bidpilot.serving.drain`), a second one and SIGINT end at once; SIGHUP reads the bundle's path anew.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import time
from collections.abc import Awaitable, Callable, Sequence

from granian.server.embed import Server

from bidpilot.bidding.errors import BidpilotError
from bidpilot.bidding.traffic.sources import Sources
from bidpilot.serving.access import Access, exchanges_of, networks_of
from bidpilot.serving.admin_app import AdminApp
from bidpilot.serving.arrival import stamping_loop
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import Clock, ManualClock
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.drain import Drain
from bidpilot.serving.exchange_app import ExchangeApp
from bidpilot.serving.givt.screen import Screen
from bidpilot.serving.guardrails import LOGGER, Cause
from bidpilot.serving.ledger.keeper import Work
from bidpilot.serving.listeners import Addresses, addresses, check_admin_host, listeners, listening
from bidpilot.serving.metrics import Metrics
from bidpilot.serving.notices import Signer
from bidpilot.serving.openrtb import Reader, Writer
from bidpilot.serving.page.page import Page
from bidpilot.serving.page.register import read_register
from bidpilot.serving.place import ALONE
from bidpilot.serving.prediction.build import predictions_of
from bidpilot.serving.prediction.refresh import Refresh
from bidpilot.serving.privacy.housekeeper import Housekeeper
from bidpilot.serving.privacy.keep import limits
from bidpilot.serving.restrictions.auction_types import AuctionTypes
from bidpilot.serving.restrictions.rates import Rates
from bidpilot.serving.restrictions.terms import House
from bidpilot.serving.secret import secret
from bidpilot.serving.swap import Swap
from bidpilot.serving.tokens import Tokens
from bidpilot.serving.worker import Worker, failed

_TICK = 0.05  # seconds
_STEP = 0.005  # seconds between two looks whether there is a step to make
_TOKEN = "BIDPILOT_ADMIN_TOKEN"


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
    with asyncio.Runner(loop_factory=stamping_loop) as runner:
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
    with asyncio.Runner(loop_factory=stamping_loop) as runner:
        return runner.run(serve())


def _log() -> None:
    logging.basicConfig(format="%(message)s")
    LOGGER.setLevel(logging.INFO)


async def _serve(config: ServeConfig, worker: Worker | None = None) -> None:
    loop = asyncio.get_running_loop()

    def deliver(results: Sequence[Work]) -> None:
        loop.call_soon_threadsafe(_run_all, results)

    check_admin_host(config.admin_host, explicit=bool(os.environ.get(_TOKEN)))
    clock: Clock = ManualClock() if config.clock == "manual" else time.time
    at = addresses(config) if worker is None else worker.at
    bidder = open_bidder(config, clock, deliver, place=ALONE if worker is None else worker.place)
    drain = Drain(config.drain)
    exchange, admin = applications(bidder, config, config.public_url or at.notice_url, drain)
    servers = listeners(at, exchange, admin)
    loop.add_signal_handler(signal.SIGTERM, drain.begin)
    loop.add_signal_handler(signal.SIGINT, drain.end)
    reload(loop, admin.swap, admin.refresh, admin.reader.house.screen)
    admin.auditor.log.start(deliver)
    settle_memory()
    tasks = [loop.create_task(server.serve()) for server in servers]
    clockwork = [loop.create_task(tick(bidder)), loop.create_task(steps(bidder))]
    if worker is None or worker.place.first:
        keeper = Housekeeper(bidder, admin.auditor.log, config.decisions, limits(config.keep_days, config.keep))
        clockwork.append(loop.create_task(keeper.run()))
    if worker is None:
        await listening(at)
        say(at)
    else:
        worker.attach(admin)
        worker.link.on_lost(drain.end)  # nothing can be booked any more
        await worker.listening()
    try:
        await drain.finished()
    finally:
        drain.end()
        for task in clockwork:
            task.cancel()
        await stop(servers, tasks)
        admin.auditor.log.close()
        bidder.close()


def say(at: Addresses) -> None:
    """Tell where it is served."""
    LOGGER.info(f"bids: http://{at.bids[0]}:{at.bids[1]}/openrtb2/bid   admin: http://{at.admin[0]}:{at.admin[1]}")
    if at.notices != at.bids:
        LOGGER.info(f"notices: {at.notice_url}/notice/")


def applications(
    bidder: Bidder, config: ServeConfig, url: str, drain: Drain | None = None
) -> tuple[ExchangeApp, AdminApp]:
    """The two applications of a bidder; `url` is where exchanges send notices."""
    drain = drain or Drain()
    signer = Signer(secret(config, "notice.secret", "BIDPILOT_NOTICE_SECRET").encode())
    sources = Sources(bidder.desk.sources - 1)
    rates = Rates.load(config.rates, config.currency)
    predictions = predictions_of(bidder, config)
    screen = Screen.of(config.blocklists, config.supply_chain)
    secure = url.startswith("https://")
    house = House(rates, AuctionTypes(config.auction_types), secure, bidder.capping, screen, bidder.rotation)
    reader = Reader(bidder.bundle.manifest.segments, sources, config.currency, predictions, config.max_hold, house)
    metrics = Metrics(bidder, sources, predictions.counts)
    access = Access(exchanges_of(config.exchanges), networks_of(config.allow))
    exchange = ExchangeApp(bidder, config, signer, reader, Writer(signer, url), metrics, access, drain)
    swap, refresh = Swap(bidder, config), Refresh(predictions, bidder, config.predictor_file)
    tokens = Tokens(secret(config, "admin.token", _TOKEN), config.tokens)
    page = Page(bidder, config.currency, drain, () if config.risks is None else read_register(config.risks))
    admin = AdminApp(bidder, reader, metrics, tokens, drain, swap=swap, refresh=refresh, page=page, seat=config.seat)
    return exchange, admin


def reload(loop: asyncio.AbstractEventLoop, *files: Swap | Refresh | Screen | None) -> None:
    """Let SIGHUP read the paths of the bundle, of the predictor's rates and of the lists of invalid traffic anew."""
    tasks: set[asyncio.Task[None]] = set()  # a task that nobody holds may vanish

    def begin() -> None:
        for file in files:
            if file is None:
                continue
            task = loop.create_task(file.again())
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    loop.add_signal_handler(signal.SIGHUP, begin)


def settle_memory() -> None:
    """What is loaded now stays: collections of garbage need not walk it again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


async def tick(bidder: Bidder) -> None:
    """Keep the bidder's clockwork going, for ever."""
    while True:
        await asyncio.sleep(_TICK)
        try:
            bidder.tick()
        except Exception as error:  # the clockwork must not stop, nor fill the log
            bidder.events.record(Cause.tick_failed, f"{type(error).__name__}: {error}")


async def steps(bidder: Bidder) -> None:
    """Make the steps of slots and days that begin, for ever, and rest after each as long as it took."""
    step = bidder.pace()
    while True:
        begun = time.perf_counter()
        try:
            made = step()
        except Exception as error:  # the others' steps are made all the same
            made = True
            bidder.events.record(Cause.tick_failed, f"{type(error).__name__}: {error}")
        await asyncio.sleep(time.perf_counter() - begun if made else _STEP)


async def stop(servers: Sequence[Server], tasks: Sequence[asyncio.Task[None]]) -> None:
    """Listen no longer; what is being answered is answered."""
    for server in servers:
        server.stop()  # type: ignore[no-untyped-call]
    await asyncio.gather(*tasks, return_exceptions=True)


def _run_all(results: Sequence[Work]) -> None:
    for result in results:
        try:
            result()
        except Exception:  # a fault of ours with one answer must not keep the others from who waits for them
            LOGGER.exception("an answer of the ledger could not be taken")
