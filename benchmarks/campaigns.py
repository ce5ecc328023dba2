"""How long bids wait when a slot or a day begins, with 200 campaigns, milliseconds.

Bids come at a fixed pace to the server's event loop; the wait of one is the time from when it should have come to its
answer. Measured are the seconds around a boundary: with the work of all campaigns in steps between bids, as the server
does it, and beside it, as the baseline, all at once, as a bidder that nobody paces does it. `busy` is the longest that
the event loop's thread has worked at a stretch, in its own CPU time: what else the machine does is not in it, so that
it can be compared on a busy machine. Waits are to be measured on two quiet cores.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from runpy import run_path
from typing import Any

import numpy as np
import uvloop

from bidpilot.serving.auction import Bid, Opportunity
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import DAY
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.guardrails import LOGGER
from bidpilot.serving.ledger.keeper import Work
from bidpilot.serving.server import steps, tick

RATE = 50.0  # bids a second
SLOT = DAY / 48
DAY_START = 20_000 * DAY
# what begins, the time at which the clock starts, seconds that are measured from the boundary on, and the bar at p99
MOMENTS = {
    "slot": (DAY_START + 10 * SLOT - 5.0, 3.0, 20.0),
    "ahead_of_midnight": (DAY_START + DAY - 45.0, 45.0, 20.0),
    "midnight": (DAY_START + DAY - 45.0, 4.0, 50.0),
}


async def waits(
    bundle: Path, folder: Path, campaigns: int, start: float, until: float, paced: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Of each bid (N, 3): when it should have come, by the bidder's clock, how long it waited, whether one was made.

    And of each piece of the loop's work (M, 2): when, and CPU milliseconds.
    """
    loop = asyncio.get_running_loop()

    def deliver(results: Sequence[Work]) -> None:
        loop.call_soon_threadsafe(lambda: [result() for result in results])

    file = folder / "campaigns.json"
    file.write_text(json.dumps([{"name": f"c{k}", "campaign": {"budget": 20.0 + 0.1 * k}} for k in range(campaigns)]))
    first: list[float] = []

    def clock() -> float:
        return start + (time.perf_counter() - first[0] if first else 0.0)

    bidder = open_bidder(ServeConfig(bundle=bundle, state=folder / "s", campaigns=file), clock, deliver)
    gc.collect()
    gc.freeze()  # as the server does
    gc.set_threshold(50_000, 20, 50)
    busy: list[tuple[float, float]] = []

    def timed(call: Callable[..., Any]) -> Callable[..., Any]:
        def measured(*arguments: Any) -> Any:
            at, begun = clock(), time.thread_time()
            result = call(*arguments)
            busy.append((at, 1000.0 * (time.thread_time() - begun)))
            return result

        return measured

    pace = bidder.pace
    bidder.tick, bidder.bid = timed(bidder.tick), timed(bidder.bid)  # type: ignore[method-assign]
    bidder.pace = lambda: timed(pace())  # type: ignore[method-assign]
    tasks = [loop.create_task(tick(bidder))] + ([loop.create_task(steps(bidder))] if paced else [])
    await asyncio.sleep(0.5)
    first.append(time.perf_counter())
    found = await load(bidder, clock, until)
    for task in tasks:
        task.cancel()
    bidder.close()
    return found, np.array(busy)


async def load(bidder: Bidder, clock: Any, until: float) -> np.ndarray:
    """Bids at their pace until a time of the bidder's clock."""
    opportunity = Opportunity((0.6, 0.25, 0.006), 0, 3)
    due, rows = clock() + 0.5, []
    while due < until:
        early = due - clock()
        await asyncio.sleep(max(early, 0.0))
        answer = bidder.bid(opportunity)
        rows.append((due, 1000.0 * (clock() - due), isinstance(answer, Bid)))
        if isinstance(answer, Bid):
            bidder.loss(answer.ticket)
        due += 1.0 / RATE
    return np.array(rows)


def main() -> None:
    """Print one JSON line per moment."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, help="policy bundle (bidpilot export); an untrained one where none")
    parser.add_argument("--campaigns", type=int, default=200)
    arguments = parser.parse_args()
    LOGGER.setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        make = run_path(str(Path(__file__).with_name("serving.py")))["make_bundle"]
        measure(arguments.bundle or make(Path(folder)), arguments.campaigns)


def measure(bundle: Path, campaigns: int) -> None:
    """Print one JSON line per moment."""
    played: dict[tuple[float, bool], tuple[np.ndarray, np.ndarray]] = {}
    for name, (start, length, bar) in MOMENTS.items():
        boundary = DAY_START + DAY if "midnight" in name else DAY_START + 10 * SLOT
        begun = boundary - 44.0 if name == "ahead_of_midnight" else boundary - 0.01
        for paced in (False, True):
            if (start, paced) not in played:
                with tempfile.TemporaryDirectory() as folder, asyncio.Runner(loop_factory=uvloop.new_event_loop) as run:
                    what = waits(bundle, Path(folder), campaigns, start, boundary + 4.0, paced)
                    played[start, paced] = run.run(what)
        end = boundary - 0.02 if name == "ahead_of_midnight" else begun + length
        before, after = (_figures(*played[start, paced], begun, end) for paced in (False, True))
        line = {"name": f"begin_{name}", "value": after["p99_ms"], "unit": "ms at the 99th percentile"}
        line |= {"baseline": before["p99_ms"], "ratio": after["p99_ms"] / max(before["p99_ms"], 1e-9), "bar": bar}
        print(json.dumps(line | after | {"at_once": before, "campaigns": campaigns}), flush=True)


def _figures(bids: np.ndarray, work: np.ndarray, begun: float, end: float) -> dict[str, float]:
    """Waits of the bids that should have come from `begun` to `end`, and the loop's work meanwhile."""
    seen = bids[(bids[:, 0] >= begun) & (bids[:, 0] < end)]
    busy = work[(work[:, 0] >= begun) & (work[:, 0] < end), 1]
    p50, p99, worst = np.quantile(seen[:, 1], [0.5, 0.99, 1.0])
    made = float(seen[:, 2].mean())
    return {"p50_ms": p50, "p99_ms": p99, "max_ms": worst, "busy_ms": float(busy.max()), "answered_with_a_bid": made}


if __name__ == "__main__":
    main()
