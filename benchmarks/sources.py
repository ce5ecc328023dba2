"""What telling sources apart adds to a bid request, microseconds, beside the hash alone that it is made of."""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Callable, Iterable

import numpy as np

from bidpilot.bidding.traffic.gate import Gate
from bidpilot.bidding.traffic.sources import FAMILIAR, MEMORY, Sources
from bidpilot.serving.slot_gate import SlotGate

CLUSTERS, CALLS, REPEATS = 64, 20_000, 10


def microseconds(call: Callable[[str], object], names: Iterable[str]) -> float:
    """The least time of a call, by repeated passes of `CALLS` over fresh names."""
    turns, best = iter(names), float("inf")
    for _ in range(REPEATS):
        batch = [next(turns) for _ in range(CALLS)]
        start = time.perf_counter()
        for name in batch:
            call(name)
        best = min(best, time.perf_counter() - start)
    return 1e6 * best / CALLS


def main() -> None:
    """Print the figures as JSON."""
    total = CALLS * REPEATS
    known, changing = (f"publisher-{k % 1000}" for k in range(total)), (f"{k:032x}" for k in range(total))
    sources = Sources(CLUSTERS)
    for k in range(1000):
        for _ in range(FAMILIAR):
            sources.meet(f"publisher-{k}")
    for k in range(MEMORY):  # the memory is full, as under attack
        sources.meet(f"before-{k}")
    gate = SlotGate(Gate(np.ones((1, CLUSTERS + 1)), np.full((1, CLUSTERS + 1), np.inf)), bidders=1)
    found = {
        "hash": microseconds(lambda name: zlib.crc32(name.encode()), (f"publisher-{k % 1000}" for k in range(total))),
        "known": microseconds(sources.meet, known),
        "changing": microseconds(sources.meet, changing),
        "gate": microseconds(lambda _: gate.admit(7), (f"{k}" for k in range(total))),
    }
    times = {f"{name}_us": round(value, 3) for name, value in found.items()}
    print(json.dumps({**times, "known_to_hash": round(found["known"] / found["hash"], 2), "remembered": len(sources)}))


if __name__ == "__main__":
    main()
