"""A bid server with its control page, in this process, on a clock that is moved by hand."""

from __future__ import annotations

import asyncio
import json
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from bidpilot.bidding.watch.alarm import Risk
from bidpilot.serving.auction import Bid, Opportunity
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import DAY, ManualClock
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.drain import Drain
from bidpilot.serving.incidents.incident import Action, Incident, Level, Role, Step, Target
from bidpilot.serving.listeners import held_port, listener
from bidpilot.serving.page.operations import Grid
from bidpilot.serving.server import applications, stop
from bidpilot.serving.told import Told
from tests.serving.conftest import recorded_day

T = TypeVar("T")
SLOT = DAY / 48
START = 20_000 * DAY
CAMPAIGNS: list[dict[str, Any]] = [
    {"name": "default"},
    {"name": "spring.sale", "campaign": {"budget": 30.0, "max_cpa": 4.0}},
    {"name": "z_".ljust(64, "-"), "campaign": {"budget": 9.0}, "paused": True},
]
TOKENS = {"ada": ("a-token-of-the-director", "direct"), "rita": ("a-token-of-the-reader", "read")}


@contextmanager
def in_memory() -> Iterator[Path]:
    """A folder in memory, where there is such a thing: a played day commits thousands of times."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as folder:
        yield Path(folder)


def play(bidder: Bidder, clock: ManualClock, slots: int, every: int = 1) -> None:
    """Play the first slots of a recorded day, each `every`th auction: bids, bills and what wins brought."""
    log = recorded_day()
    assert log.interacted is not None
    assert log.converted is not None
    columns = (log.exposure, log.interaction, log.conversion)
    for slot in range(slots):
        first, last = int(log.offsets[0, slot]), int(log.offsets[0, slot + 1])
        for k, i in enumerate(range(first, last, every)):
            clock.move(START + SLOT * (slot + k * every / (last - first)))
            bidder.tick()
            exposure, interaction, conversion = (float(c[i]) for c in columns)
            opportunity = Opportunity((exposure, interaction, conversion), int(log.segment[i]), int(log.source[i]))
            price = float(log.market_price[i])
            answer = bidder.bid(opportunity)
            if isinstance(answer, Bid) and answer.amount / 1e6 >= price:
                bidder.bill(answer.ticket, price, price)
                brought = float(log.interacted[i]), float(log.converted[i])
                bidder.outcome(answer.ticket, Told(interaction=brought[0], conversion=brought[1]))
        clock.move(START + SLOT * (slot + 1))
        bidder.tick()


def incident(**changes: Any) -> Incident:
    """An open one of level 2."""
    paused = Step(
        at=START + 29.2 * SLOT, action=Action.paused, level=Level.pause, cause="requests stay away", undo={"resume": 1}
    )
    opened = Step(at=START + 29 * SLOT, action=Action.opened, level=Level.throttle, cause="requests leave their band")
    usual = Incident(
        id="shock-1",
        risk=Risk.platform_shock,
        campaign="default",
        target=Target(kind="segment", index=2),
        day=date(2024, 10, 4),
        slot=28,
        level=Level.pause,
        role=Role.lead,
        deadline=START + 41 * SLOT,
        explanation="Requests of the last 3 slots are 212, where 380 to 520 were expected.",
        steps=(opened, paused),
    )
    return usual.model_copy(update=changes)


@dataclass
class Desk:
    """Stands in for who keeps incidents and risks."""

    held: list[Incident] = field(default_factory=list)
    grids: tuple[Grid, ...] = ()

    def incidents(self) -> Sequence[Incident]:
        return list(self.held)

    def risks(self) -> Sequence[Grid]:
        return self.grids


def heat_map() -> Grid:
    """Incidents by channel and hour."""
    counts = np.random.default_rng(1).poisson(0.5, (4, 24)).astype(float)
    rows = ("feed", "search", "challenge", "external")
    return Grid(
        "Incidents by channel and hour",
        rows,
        tuple(f"{h:02d}" for h in range(24)),
        tuple(map(tuple, counts.tolist())),
        "in 30 days",
    )


def matrix() -> Grid:
    """Likelihood by impact."""
    likely, impact = (
        ("rare", "unlikely", "possible", "likely", "frequent"),
        ("negligible", "minor", "moderate", "major"),
    )
    return Grid("Risks by likelihood and impact", likely, impact, ((0, 1, 0, 0),) * 4 + ((None, 2, 3, 1),), "risks")


class Board:
    """The server in a thread of its own; a context that stops it."""

    def __init__(self, folder: Path, bundle: Path, shadow: Path | None = None, slots: int = 0, every: int = 1) -> None:
        tokens = folder / "tokens.json"
        tokens.write_text(json.dumps({name: {"token": t, "role": role} for name, (t, role) in TOKENS.items()}))
        tokens.chmod(0o600)
        campaigns = folder / "campaigns.json"
        campaigns.write_text(json.dumps(CAMPAIGNS))
        self.clock, self.drain = ManualClock(START), Drain()
        config = ServeConfig(
            bundle=bundle, state=folder / "state", campaigns=campaigns, tokens=tokens, shadow=shadow, sources=64
        )
        self.bidder = open_bidder(config, self.clock)
        play(self.bidder, self.clock, slots, every)
        self.clock.move(START + SLOT * (slots + 0.4))
        self.bidder.tick()
        self.admin = applications(self.bidder, config, "http://x", self.drain)[1]
        assert self.admin.page is not None
        self.page = self.admin.page
        self.page.feed.every = 0.2
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        with held_port("127.0.0.1", 0) as port:
            self.url = f"http://127.0.0.1:{port}/"
        server = listener(self.admin, "127.0.0.1", port)
        task = asyncio.create_task(server.serve())
        while True:
            try:
                (await asyncio.open_connection("127.0.0.1", port))[1].close()
                break
            except OSError:
                await asyncio.sleep(0.02)
        self._ready.set()
        await self.drain.finished()
        await stop([server], [task])

    def do(self, call: Callable[[], T]) -> T:
        """Make a call in the server's thread."""

        async def made() -> T:
            return call()

        return asyncio.run_coroutine_threadsafe(made(), self._loop).result(5.0)

    def __enter__(self) -> Board:
        self._thread.start()
        assert self._ready.wait(10.0)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self.drain.end)
        self._thread.join(10.0)
        assert not self._thread.is_alive()
        self.bidder.close()
