"""What the control page costs the event loop with 200 campaigns: CPU milliseconds and bytes, as JSON.

`piece` is the longest that a snapshot keeps bids waiting at a stretch, `snapshot` all of one second's work while slots
stand still, `first` that of the second in which a slot has begun for all campaigns.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import tempfile
import time
from collections.abc import Generator
from pathlib import Path
from runpy import run_path
from typing import Any

from bidpilot.serving.auction import Opportunity
from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import DAY, ManualClock
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.drain import Drain
from bidpilot.serving.guardrails import LOGGER
from bidpilot.serving.page.feed import event
from bidpilot.serving.page.snapshot import Snapshots, changes
from bidpilot.serving.server import settle_memory


class Timed:
    """Awaits something and keeps how long each of its pieces took, CPU milliseconds."""

    def __init__(self, awaited: Any) -> None:
        self._awaited = awaited.__await__()
        self.pieces: list[float] = []

    def __await__(self) -> Generator[Any, Any, Any]:
        while True:
            begun = time.thread_time()
            try:
                step = next(self._awaited)
            except StopIteration as end:
                return end.value
            finally:
                self.pieces.append(1000.0 * (time.thread_time() - begun))
            yield step


async def measure(snapshots: Snapshots, seconds: int) -> dict[str, float]:
    """Of so many snapshots, with an auction between two of them."""
    bidder, clock = snapshots.bidder, snapshots.bidder.desk.clock
    assert isinstance(clock, ManualClock)
    first = Timed(snapshots.take())
    before = await first
    begun = time.thread_time()
    whole = event("whole", before)
    encoded = 1000.0 * (time.thread_time() - begun)
    taken, pieces, told = [], [], []
    for _ in range(seconds):
        bidder.bid(Opportunity((0.6, 0.2, 0.004), 0))
        clock.move(clock() + 1.0)
        one = Timed(snapshots.take())
        after = await one
        begun = time.thread_time()
        told.append(len(event("change", changes(before, after))))
        taken.append(sum(one.pieces) + 1000.0 * (time.thread_time() - begun))
        pieces.append(max(one.pieces))
        before = after
    return {
        "first": sum(first.pieces),
        "snapshot": sorted(taken)[seconds // 2],
        "piece": max(*first.pieces, *pieces),
        "encode_whole": encoded,
        "whole_bytes": len(whole),
        "change_bytes": sorted(told)[seconds // 2],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, help="policy bundle (bidpilot export); an untrained one where none")
    parser.add_argument("--campaigns", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=50)
    given = parser.parse_args()
    LOGGER.setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "campaigns.json"
        names = [{"name": f"c{k}", "campaign": {"budget": 20.0 + 0.1 * k}} for k in range(given.campaigns)]
        file.write_text(json.dumps(names))
        make = run_path(str(Path(__file__).with_name("serving.py")))["make_bundle"]
        bundle = given.bundle or make(Path(folder))
        config = ServeConfig(bundle=bundle, state=Path(folder) / "state", campaigns=file)
        with open_bidder(config, ManualClock(20_000 * DAY + 0.7 * DAY)) as bidder:
            settle_memory()
            found = asyncio.run(measure(Snapshots(bidder, "USD", Drain()), given.seconds))
    print(json.dumps({"campaigns": given.campaigns} | {name: round(value, 3) for name, value in found.items()}))


if __name__ == "__main__":
    main()
