"""The decision log: every auction that was seen, with what was bid and what came of it, as Parquet.

`bidpilot import decisions` reads it back, so that served days become training days. No request, user or device
identifier is in it. Rows are written when their auction is resolved: a killed process loses those not yet written.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bidpilot.bidding.errors import InvalidServing
from bidpilot.serving.privacy.keys import Key
from bidpilot.serving.privacy.seal import SEALED, write_sealed

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
    format: str  # that was asked for: video, audio, native, banner, several, any; empty where nobody has said
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
    timezone: str  # IANA name, of date and slot
    experiment: str | None = None  # that it is part of; null where of none
    arm: str | None = None  # of the experiment


class Outcome(NamedTuple):
    """What a won exposure brought, told later: events of one type, or, untyped, all of it."""

    key: str  # of the bid
    event: str | None  # one of `bidding.event.EVENTS`; null where untyped
    count: int  # type: ignore[assignment]  # of these events; a tuple has a method of that name
    value: float | None  # what a conversion was worth, currency, where it was told
    interaction: float  # interactions that they count for by the campaign's weights
    conversion: float  # conversions that they count for


_Batch = tuple[str, Sequence[Row] | Sequence[Outcome], str]  # kind, entries, name of the file


class DecisionLog:
    """Writes rows to `decisions-*.parquet` and outcomes to `outcomes-*.parquet` in a folder, in a thread of its own.

    What could not be written is tried once more with the next file, or at the end, and then counted as lost. With a
    `key` the files are encrypted, and named `*.sealed.parquet`.

    Raises:
        InvalidServing: the folder cannot be written to.
    """

    def __init__(self, folder: Path, prefix: str, segments: tuple[str, ...], key: Key | None = None) -> None:
        self._key, self._ending = key, ".parquet" if key is None else SEALED
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / SEGMENTS_FILE).write_text(json.dumps(segments))  # in the bundle's order, also those never met
        except OSError as error:
            raise InvalidServing(f"decisions cannot be logged to {folder} ({error}). Give another folder.") from error
        self.lost = self.lost_outcomes = 0  # rows
        self.waiting = 0  # rows and outcomes that could not be written and are tried once more
        self._failed: list[_Batch] = []
        self._closed = False
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

    def describe(self, name: str, text: str) -> None:
        """Keep what the rows are to be read by, in a file of its own beside them.

        Raises:
            InvalidServing: the folder cannot be written to, or its rows of before are to be read otherwise.
        """
        path = self._folder / name
        try:
            if path.exists() and path.read_text() != text:
                raise InvalidServing(
                    f"{path} says otherwise of rows that are logged already: their shares or bundles would be read "
                    "wrongly. Give the experiment what it began with, or another name."
                )
            path.write_text(text)
        except OSError as error:
            raise InvalidServing(
                f"{name} cannot be written to {self._folder} ({error}). Give another folder."
            ) from error

    def outcome(self, key: str, told: Told) -> None:
        """Keep what a won exposure brought; `told` is weighed."""
        self._outcomes.append(Outcome(key, told.event, told.count, told.value, told.interaction, told.conversion))

    def flush(self) -> None:
        """Write what has been kept so far."""
        rows, outcomes = self._rows, self._outcomes
        self._rows, self._outcomes = [], []
        if rows or outcomes:
            self._count += 1
            name = f"{self._prefix}-{self._count:06d}{self._ending}"
            self._writer.submit(
                self._attempt, [b for b in (("decisions", rows, name), ("outcomes", outcomes, name)) if b[1]]
            )

    def close(self) -> None:
        """Write the rest; once more, it changes nothing."""
        if not self._closed:
            self._closed = True
            self.flush()
            self._writer.submit(self._attempt, [])
            self._writer.shutdown(wait=True)

    def _attempt(self, batches: list[_Batch]) -> None:
        """Write what failed before, for the last time, and these batches."""
        again, self._failed = self._failed, []
        for batch in again:
            try:
                self._write(*batch)
            except Exception:  # a full disk, a folder that is gone: it has been said, and is counted
                kind, entries, _ = batch
                if kind == "decisions":
                    self.lost += len(entries)
                else:
                    self.lost_outcomes += len(entries)
        for batch in batches:
            try:
                self._write(*batch)
            except Exception:
                self._failed.append(batch)
        self.waiting = sum(len(entries) for _, entries, _ in self._failed)

    def _write(self, kind: str, entries: Sequence[Row] | Sequence[Outcome], name: str) -> None:
        # Polars loads only where decisions are logged, with one thread beside the bidder's.
        os.environ.setdefault("POLARS_MAX_THREADS", "1")
        import polars as pl

        optional = {"shadow_bid": pl.Float64, "market_price": pl.Float64, "value": pl.Float64, "event": pl.String}
        optional |= {"experiment": pl.String, "arm": pl.String}
        columns = entries[0]._fields
        frame = pl.DataFrame(entries, schema=list(columns), orient="row", infer_schema_length=None)
        # a column without an entry in this file has its type all the same
        frame = frame.cast({name: dtype for name, dtype in optional.items() if name in columns})
        path = self._folder / f"{kind}-{name}"
        if self._key is not None:
            plain = io.BytesIO()
            frame.write_parquet(plain)
            write_sealed(path, plain.getvalue(), self._key, durable=False)  # as without a key
            return
        part = path.with_suffix(".part")
        try:
            frame.write_parquet(part)
            part.rename(path)  # a file that is there is whole
        except BaseException:
            part.unlink(missing_ok=True)
            raise
