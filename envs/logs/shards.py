"""A log in parts: a folder of logs, one for each part, that is read as one log.

`shards.json` names the parts, folders beside it. Days come in the order of their units and campaigns, whatever part
they are in, so that the log is the one that a single import of all files makes, bit for bit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bidpilot.bidding.errors import DamagedLog, InvalidLog
from bidpilot.envs.logs.auction_log import ADDED, COLUMNS, AuctionLog, DayRecord, stack_offsets

SHARDS_FILE: Final = "shards.json"

Allocate = Callable[[str, tuple[int, ...], "np.dtype[Any]"], NDArray[Any]]


class Shards(BaseModel):
    """What `shards.json` says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, description="the log's name")
    parts: tuple[str, ...] = Field(min_length=1, description="folders of the parts, beside this file")

    def save(self, folder: Path) -> None:
        """Write it, whole or not at all."""
        partial = folder / f"{SHARDS_FILE}.partial"
        partial.write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")
        partial.replace(folder / SHARDS_FILE)

    @classmethod
    def load(cls, folder: Path) -> Shards:
        """Of a folder.

        Raises:
            DamagedLog: the file cannot be read.
        """
        try:
            return cls.model_validate_json((folder / SHARDS_FILE).read_text(encoding="utf-8"))
        except (OSError, ValidationError, UnicodeDecodeError) as error:
            raise DamagedLog(f"{folder / SHARDS_FILE} cannot be read ({error}). Import the log again.") from error


def join_parts(name: str, parts: Sequence[AuctionLog], allocate: Allocate) -> AuctionLog:
    """The log of all parts; their columns are copied into what `allocate` makes of name, shape and dtype.

    Raises:
        InvalidLog: parts that differ in slots, sources or columns, or a day that lies in two of them.
    """
    first = parts[0]
    for part in parts[1:]:
        alike = (part.slots, part.sources, part.cut) == (first.slots, first.sources, first.cut)
        if not alike or _present(part) != _present(first):
            raise InvalidLog(
                f"part {part.name} differs from {first.name} in slots, sources, time zone or in the columns that it "
                "records. Import all parts from files of one kind."
            )
    segments = tuple(sorted({segment for part in parts for segment in part.segments}))
    days = sorted(
        ((part, day) for part in range(len(parts)) for day in range(parts[part].n_days)),
        key=lambda place: _order(parts[place[0]].days[place[1]]),
    )
    records = tuple(parts[part].days[day] for part, day in days)
    twice = [one.label for one, other in zip(records[1:], records, strict=False) if _order(one) == _order(other)]
    if twice:
        raise InvalidLog(f"{twice[0]} lies in two parts of {name}. Cut files between days, and import them again.")
    counts = [np.diff(parts[part].offsets[day]) for part, day in days]
    columns: dict[str, NDArray[Any] | None] = {
        column: _copied(column, parts, days, segments, allocate) for column in _own_columns(first)
    }
    for column in COLUMNS:
        if column not in columns:
            shared = column.removeprefix("true_")
            columns[column] = columns[shared] if getattr(first, column) is not None else None
    notes = tuple(dict.fromkeys(note for part in parts for note in part.notes))
    return replace(
        first,
        name=name,
        **{**dict.fromkeys(ADDED), **columns},  # type: ignore[arg-type]
        offsets=stack_offsets(counts),
        days=records,
        segments=segments,
        notes=notes,
    )


def _present(log: AuctionLog) -> list[bool]:
    return [getattr(log, name) is not None for name in (*COLUMNS, *ADDED)] + [
        getattr(log, f"true_{kpi}") is getattr(log, kpi) for kpi in ("exposure", "interaction", "conversion")
    ]


def _own_columns(log: AuctionLog) -> list[str]:
    """Columns that are arrays of their own: true values that are the predictions are not copied twice."""
    names = [name for name in (*COLUMNS, *ADDED) if getattr(log, name) is not None]
    same = {f"true_{kpi}" for kpi in ("exposure", "interaction", "conversion")}
    return [n for n in names if n not in same or getattr(log, n) is not getattr(log, n.removeprefix("true_"))]


def _copied(
    name: str,
    parts: Sequence[AuctionLog],
    days: Sequence[tuple[int, int]],
    segments: tuple[str, ...],
    allocate: Allocate,
) -> NDArray[Any]:
    """One column of all parts, day by day; segments by their places among all."""
    like: NDArray[Any] = getattr(parts[0], name)
    column = allocate(name, (sum(part.n for part in parts), *like.shape[1:]), like.dtype)
    places = [np.array([segments.index(s) for s in part.segments], dtype=like.dtype) for part in parts]
    done = 0
    for part, day in days:
        start, stop = int(parts[part].offsets[day, 0]), int(parts[part].offsets[day, -1])
        own = getattr(parts[part], name)[start:stop]
        column[done : done + len(own)] = places[part][own] if name == "segment" else own
        done += len(own)
    return column


def _order(day: DayRecord) -> tuple[Any, ...]:
    """Days by unit, then campaign; numbers in them count as numbers."""
    return _natural(day.unit), _natural(day.campaign), day.label


def _natural(text: str) -> tuple[tuple[int, int, str], ...]:
    pieces = [piece for piece in re.split(r"(\d+)", text) if piece]
    return tuple((0, int(piece), "") if piece.isdecimal() else (1, 0, piece) for piece in pieces)
