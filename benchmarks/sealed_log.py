"""The cost of encryption at rest: rows of the decision log written a second, plain and encrypted, in one run."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

import numpy as np

from bidpilot.serving.decision_log import DecisionLog, Row
from bidpilot.serving.privacy.keys import Key

_ROWS, _ROUNDS = 100_000, 4


def rows() -> list[Row]:
    """Auctions as a busy bidder sees them."""
    draw = np.random.default_rng(0)
    value, price = draw.random((_ROWS, 3)), draw.lognormal(-6.0, 1.0, _ROWS)
    return [
        Row(
            f"{k:018x}", "default", "2026-11-27", k % 48, 48, 1.8e9 + k * 0.01, "feed/head", k % 1025,
            value[k, 0], value[k, 1], value[k, 2] * 0.01, 0.0, False, price[k] * 1.1, None,
            "won" if k % 5 else "lost", price[k], price[k], 40.0, 50.0,
        )
        for k in range(_ROWS)
    ]  # fmt: skip


def seconds(folder: Path, key: Key | None, made: list[Row]) -> float:
    """Time to write all of it."""
    log = DecisionLog(folder, "p", ("feed/head",), key)
    begun = time.perf_counter()
    for row in made:
        log.add(row)
    log.close()
    return time.perf_counter() - begun


def main() -> None:
    """Print one line of JSON."""
    made, key = rows(), Key(bytes(32))
    with tempfile.TemporaryDirectory() as name:
        taken: dict[str, list[float]] = {"plain": [], "encrypted": []}
        for turn in range(_ROUNDS + 1):
            for kind, given in (("plain", None), ("encrypted", key)):
                spent = seconds(Path(name) / f"{kind}-{turn}", given, made)
                if turn:  # the first loads Polars
                    taken[kind].append(spent)
        size = {
            kind: sum(path.stat().st_size for path in (Path(name) / f"{kind}-1").glob("*.parquet")) for kind in taken
        }
    rate = {kind: round(_ROWS / min(spent)) for kind, spent in taken.items()}
    ratio = round(rate["encrypted"] / rate["plain"], 3)
    print(json.dumps({"benchmark": "sealed_log", "rows_per_second": rate, "bytes": size, "ratio": ratio}))


if __name__ == "__main__":
    main()
