"""The decision log: every auction that was seen, with what was bid and what came of it, as Parquet.

`bidpilot import decisions` reads it back, so that served days become training days. No request, user or device
identifier is in it. Rows are written when their auction is resolved: a killed process loses those not yet written.
"""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from bidpilot.serving.told import Told

_ROWS = 50_000  # to a file
SEGMENTS_FILE = "segments.json"


class Row(NamedTuple):
    """One auction of one campaign. Money in currency per exposure."""

    key: str  # of the bid; empty where none was made
    campaign: str
    date: str  # ISO 8601
    slot: int
    slots: int  # per day
    time: float  # seconds since 1970
    segment: str  # channel/tier
    source: int
    exposure: float  # predicted
    interaction: float  # predicted
    conversion: float  # predicted
    floor: float
    first_price: bool
    bid: float  # 0 where none was made
    shadow_bid: float | None  # what the shadow policy would have bid
    result: str  # won, lost, expired, or why there was no bid
    cost: float  # 0 where not won
    market_price: float | None  # least price that would have won, where known
    budget: float  # of the day
    conversion_value: float


class Outcome(NamedTuple):
    """What a won exposure brought, told later: events of one type, or, untyped, all of it."""

    key: str  # of the bid
    event: str | None  # one of `bidding.event.EVENTS`; null where untyped
    count: int  # type: ignore[assignment]  # of these events; a tuple has a method of that name
    value: float | None  # what a conversion was worth, currency, where it was told
    interaction: float  # interactions that they count for by the campaign's weights
    conversion: float  # conversions that they count for


class DecisionLog:
    """Writes rows to `decisions-*.parquet` and outcomes to `outcomes-*.parquet` in a folder, in a thread of its own."""

    def __init__(self, folder: Path, prefix: str, segments: tuple[str, ...]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / SEGMENTS_FILE).write_text(json.dumps(segments))  # in the bundle's order, also those never met
        self._folder, self._prefix = folder, prefix
        self._rows: list[Row] = []
        self._outcomes: list[Outcome] = []
        self._count = 0
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="decisions")

    def add(self, row: Row) -> None:
        """Keep a resolved auction."""
        self._rows.append(row)
        if len(self._rows) >= _ROWS:
            self.flush()

    def outcome(self, key: str, told: Told) -> None:
        """Keep what a won exposure brought; `told` is weighed."""
        self._outcomes.append(Outcome(key, told.event, told.count, told.value, told.interaction, told.conversion))

    def flush(self) -> None:
        """Write what has been kept so far."""
        rows, outcomes = self._rows, self._outcomes
        self._rows, self._outcomes = [], []
        if rows or outcomes:
            self._count += 1
            self._writer.submit(self._write, rows, outcomes, f"{self._prefix}-{self._count:06d}.parquet")

    def close(self) -> None:
        """Write the rest."""
        self.flush()
        self._writer.shutdown(wait=True)

    def _write(self, rows: list[Row], outcomes: list[Outcome], name: str) -> None:
        # Polars loads only where decisions are logged, with one thread beside the bidder's.
        os.environ.setdefault("POLARS_MAX_THREADS", "1")
        import polars as pl

        optional = {"shadow_bid": pl.Float64, "market_price": pl.Float64, "value": pl.Float64, "event": pl.String}
        for kind, entries, columns in (("decisions", rows, Row._fields), ("outcomes", outcomes, Outcome._fields)):
            if not entries:
                continue
            frame = pl.DataFrame(entries, schema=list(columns), orient="row", infer_schema_length=None)
            # a column without an entry in this file has its type all the same
            frame = frame.cast({name: dtype for name, dtype in optional.items() if name in columns})
            path = self._folder / f"{kind}-{name}"
            part = path.with_suffix(".part")
            frame.write_parquet(part)
            part.rename(path)  # a file that is there is whole
