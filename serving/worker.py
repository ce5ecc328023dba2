"""A worker: one of the servers that the supervisor (`workers.py`) starts, and that end with it."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from bidpilot.bidding.errors import BidpilotError, InvalidServing
from bidpilot.serving.admin_app import AdminApp
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.ledger.store import AccountState, LedgerStore
from bidpilot.serving.link import PATIENCE, Link
from bidpilot.serving.listeners import Addresses
from bidpilot.serving.metrics_sum import ACCOUNT, UNKNOWN, combine, told
from bidpilot.serving.place import Place
from bidpilot.serving.prediction.refresh import answer as renewed
from bidpilot.serving.pulse import PULSE
from bidpilot.serving.siblings import Siblings, read
from bidpilot.serving.swap import answer as swapped

# what is said over the link: by the supervisor to each worker ...
START, SIBLINGS, HEARD, NUMBERS, MONEY_HELD, SWAP = "start", "siblings", "heard", "numbers", "money", "swap"
RENEW = "renew"
# ... and by a worker to the supervisor
LISTENING, FAILED, PASS, METRICS, EVERYONE, BUNDLE = "listening", "failed", "pass", "metrics", "everyone", "bundle"
PREDICTOR = "predictor"

SWAPPING = 60.0
"""Seconds that a worker may take to prepare another bundle."""

PROGRAM = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from bidpilot.serving.worker import main; main()"
"""What a worker's interpreter runs; its arguments are the supervisor's module path, as JSON, and the link's handle."""

_TURNS = 500  # of 20 milliseconds until it listens


class HeldMoney(msgspec.Struct, array_like=True):
    """What one worker has of a campaign's money."""

    money: dict[str, float]  # currency, by part
    outstanding: int


class Worker:
    """What a server in a worker has beyond one that is alone: its place, and the link to the supervisor."""

    def __init__(self, place: Place, at: Addresses, link: Link) -> None:
        self.place, self.at, self.link, self._prefix = place, at, link, ""

    def attach(self, admin: AdminApp) -> None:
        """Tell of the bidder that `admin` administers when asked, and let that tell of all."""
        bidder, admin.together = admin.bidder, self
        loop = asyncio.get_running_loop()
        siblings = Siblings(lambda prefix, body: self.link.tell(PASS, prefix.encode() + body), loop.call_later)
        bidder.booking.siblings, self._prefix = siblings, bidder.prefix

        async def know(body: bytes) -> bytes:
            siblings.know(json.loads(body))
            return b""

        async def hear(body: bytes) -> bytes:
            for passed in read(body):
                bidder.booking.hear(passed)
            return b""

        async def numbers(_: bytes) -> bytes:
            await _look(bidder)
            return msgspec.msgpack.encode(told(admin.metrics.collect()))

        async def money(_: bytes) -> bytes:
            await _look(bidder)
            held = {name: HeldMoney(c["money"], c["outstanding"]) for name, c in admin.campaigns().items()}
            return msgspec.msgpack.encode(held)

        async def swap(body: bytes) -> bytes:
            assert admin.swap is not None
            return json.dumps(await _taken(partial(swapped, admin.swap), body)).encode()

        async def renew(body: bytes) -> bytes:
            assert admin.refresh is not None
            return json.dumps(await _taken(partial(renewed, admin.refresh), body)).encode()

        async def pulse(_: bytes) -> bytes:
            return b""

        self.link.handlers |= {NUMBERS: numbers, MONEY_HELD: money, SIBLINGS: know, HEARD: hear, SWAP: swap}
        self.link.handlers |= {PULSE: pulse, RENEW: renew}

    async def listening(self) -> None:
        """Wait until this process takes connections at all its ports, and say so.

        Raises:
            InvalidServing: it does not.
        """
        ports = {port for _, port in (self.at.bids, self.at.notices, self.at.admin)}
        for _ in range(_TURNS):
            if ports <= listening_ports():
                self.link.tell(LISTENING, self._prefix.encode())
                return
            await asyncio.sleep(0.02)
        raise InvalidServing(f"worker {self.place.index} does not listen on {sorted(ports)}. Give other ports.")

    # --- for an operator who asks this worker ----------------------------------------------------

    async def metrics(self) -> bytes:
        """The exposition of all workers; raises LinkLost."""
        return await self.link.ask(METRICS, patience=2 * PATIENCE)

    async def campaigns(self, own: dict[str, Any]) -> dict[str, Any]:
        """Campaigns as this worker tells them, with the money of all; raises LinkLost."""
        answers = await self.link.ask(EVERYONE, MONEY_HELD.encode(), patience=2 * PATIENCE)
        told_by = [
            msgspec.msgpack.decode(body, type=dict[str, HeldMoney])
            for body in msgspec.msgpack.decode(answers, type=list[bytes])
        ]
        return {name: campaign | _together([t[name] for t in told_by if name in t]) for name, campaign in own.items()}

    async def bundle(self, body: bytes) -> tuple[int, dict[str, Any]]:
        """Have every worker take another bundle: what the first answers, and how many have; raises LinkLost."""
        status, found = json.loads(await self.link.ask(BUNDLE, body, patience=3 * SWAPPING))
        return status, found

    async def predictor(self, body: bytes) -> tuple[int, dict[str, Any]]:
        """Have every worker take other rates of the predictor: likewise."""
        status, found = json.loads(await self.link.ask(PREDICTOR, body, patience=3 * SWAPPING))
        return status, found


async def _taken(
    answer: Callable[[str, bytes], Awaitable[tuple[int, dict[str, Any]]]], body: bytes
) -> tuple[int, dict[str, Any]]:
    """What this worker answers to POST /admin/bundle or /admin/predictor."""
    try:
        return await answer("POST", body)
    except (BidpilotError, msgspec.MsgspecError, UnicodeError) as error:
        return 400, {"error": " ".join(str(error).split())[:500]}


async def _look(bidder: Bidder) -> None:
    """Let all wallets see what others have settled of their accounts."""
    seen: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def done(_: object) -> None:
        if not seen.done():
            seen.set_result(None)

    keeper, wallets = bidder.desk.keeper, [day.wallet for day in bidder.days.values()]
    for wallet in wallets:
        keeper.run(partial(_state, account=wallet.account), wallet.saw)
    keeper.run(lambda _: None, done)  # calls are made in order: this one after those
    await seen


def _state(store: LedgerStore, account: str) -> AccountState | None:
    return store.state(account)


def _together(held: Sequence[HeldMoney]) -> dict[str, Any]:
    """The money of one campaign in all workers, the first one first."""
    if not held:
        return {}
    parts = {part: [h.money[part] for h in held if part in h.money] for part in held[0].money}
    return {
        "money": {part: combine(ACCOUNT.get(part, UNKNOWN), values) for part, values in parts.items()},
        "outstanding": sum(h.outstanding for h in held),
    }


def listening_ports() -> set[int]:
    """TCP ports at which this process takes connections: where several share a port, a connection proves nothing."""
    own = set()
    for handle in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            own.add(os.readlink(f"/proc/self/fd/{handle}"))
    found = set()
    for table in ("/proc/self/net/tcp", "/proc/self/net/tcp6"):
        with suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                _, local, _, state, *_, inode = line.split()[:10]
                if state == "0A" and f"socket:[{inode}]" in own:
                    found.add(int(local.rpartition(":")[2], 16))
    return found


class Started(msgspec.Struct):
    """What the supervisor says first."""

    config: dict[str, Any]
    place: Place
    at: Addresses


def start_message(config: ServeConfig, place: Place, at: Addresses) -> bytes:
    """What the supervisor says first."""
    names = set(ServeConfig.model_fields)  # the command line's configuration may have more
    told = Started(config.model_dump(mode="json", include=names), place, at)
    return msgspec.json.encode(told, enc_hook=str)  # paths


def main() -> None:
    """Serve until the supervisor says so, or is gone."""
    # the loop and the server load only here: the supervisor imports this module too
    from bidpilot.serving.server import run_worker

    end = socket.socket(fileno=int(sys.argv[2]))
    sys.exit(run_worker(lambda: _open(end)))


async def _open(end: socket.socket) -> tuple[ServeConfig, Worker]:
    """The worker's configuration and its link."""
    started: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def start(body: bytes) -> bytes:
        started.set_result(body)
        return b""

    link = await Link.over(end, {START: start})
    told = msgspec.json.decode(await started, type=Started, dec_hook=lambda kind, text: kind(text))
    return ServeConfig.model_validate(told.config), Worker(told.place, told.at, link)


async def failed(worker: Worker, error: BidpilotError) -> None:
    """Say why this worker cannot serve."""
    with suppress(BidpilotError):
        await worker.link.ask(FAILED, json.dumps([type(error).__name__, str(error)]).encode())
