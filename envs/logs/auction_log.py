"""AuctionLog: a struct of arrays, one contiguous column each, checked when it is made."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.errors import EmptyLog, InvalidLog
from bidpilot.bidding.event import EVENTS, Event
from bidpilot.bidding.landscape.calendar import UNDATED, days_since_1970
from bidpilot.bidding.zone import Cut
from bidpilot.envs.logs.checks import (
    check_even,
    check_funnel,
    check_ids,
    check_layout,
    check_offsets,
    check_price,
    check_range,
)

FLOAT_COLUMNS = (
    "market_price",
    "exposure",
    "interaction",
    "conversion",
    "true_exposure",
    "true_interaction",
    "true_conversion",
)
REALISED_COLUMNS = ("interacted", "converted")
COLUMNS = (*FLOAT_COLUMNS, "segment", "source", "invalid", *REALISED_COLUMNS)
"""The columns (N,); beside them stands the funnel, (N, 7)."""
EVENT_COLUMNS: dict[Event, str] = {event: f"event_{event}" for event in EVENTS}
"""What tables of auctions call the funnel's columns."""


@dataclass(frozen=True)
class DayRecord:
    """What is known of one recorded day apart from its auctions."""

    label: str  # e.g. "advertiser 3, period 10"
    unit: str  # days that share a unit share their auctions' randomness: the bootstrap resamples units;
    # their date, YYYY-MM-DD, where the log has dates
    budget: float  # currency per day, > 0
    conversion_value: float  # currency per conversion, > 0
    max_cpa: float | None = None  # target cost per action, currency
    campaign: str = ""  # whose day it is, e.g. the advertiser; empty where the log does not say

    def __post_init__(self) -> None:
        amounts = {"budget": self.budget, "conversion_value": self.conversion_value, "max_cpa": self.max_cpa}
        for field, amount in amounts.items():
            if amount is not None and not (math.isfinite(amount) and amount > 0):
                raise InvalidLog(
                    f"The {field} of day {self.label!r} is {amount}; it must be finite and above zero. "
                    "Correct the day's record, or leave the day out."
                )


@dataclass(frozen=True, eq=False)
class AuctionLog:
    """N auctions of D days of T slots. Predicted and true values are different columns.

    Where no true value is known, the true column is the very same array as the prediction, so it
    costs no memory. Everything is checked when the log is made, in passes that allocate nothing
    that grows with N.

    Raises:
        EmptyLog: no auction or no day.
        InvalidPrice: a market price is negative or not finite.
        UnevenDays: ragged offsets of days that differ in their number of slots.
        InvalidLog: anything else that does not fit: lengths, dtypes, ranges, zero slots.
    """

    name: str
    market_price: NDArray[np.float32]  # (N,) currency, >= 0
    exposure: NDArray[np.float32]  # (N,) predicted, in [0, 1]
    interaction: NDArray[np.float32]  # (N,) predicted, >= 0
    conversion: NDArray[np.float32]  # (N,) predicted, in [0, 1]
    true_exposure: NDArray[np.float32]  # (N,) the same array as the prediction where none is known
    true_interaction: NDArray[np.float32]  # (N,)
    true_conversion: NDArray[np.float32]  # (N,)
    segment: NDArray[np.int16]  # (N,) in 0 .. S - 1
    source: NDArray[np.int16]  # (N,) in 0 .. sources - 1
    invalid: NDArray[np.bool_]  # (N,) ground truth
    interacted: NDArray[np.float32] | None  # (N,) realised; None where not recorded
    converted: NDArray[np.float32] | None  # (N,) realised; None where not recorded
    offsets: NDArray[np.int64]  # (D, T + 1): day d, slot t is offsets[d, t] .. offsets[d, t + 1]
    days: tuple[DayRecord, ...]  # (D,)
    segments: tuple[str, ...]  # (S,) "channel/tier"
    sources: int  # number of sources
    notes: tuple[str, ...] = ()  # what a reader must know: "true = predicted", "no interactions" ...
    cut: Cut | None = None  # where its days begin; None: in no time zone, as where times count from 0
    funnel: NDArray[np.uint8] | None = (
        None  # (N, 7) events told of won auctions, in the order of EVENTS; 0 where none was
    )

    def __post_init__(self) -> None:
        if not self.name:
            raise InvalidLog("The log has no name. Name it: an evaluation suite is called after it.")
        if not self.days:
            raise EmptyLog("The log holds no day. Give at least one day record with its auctions.")
        if len(self.market_price) == 0:
            raise EmptyLog("The log holds no auction. Give at least one auction.")
        if not self.segments or len(set(self.segments)) != len(self.segments):
            raise InvalidLog(f"The segments {self.segments} are empty or repeat a name; name each once.")
        check_layout({name: getattr(self, name) for name in COLUMNS}, self.n)
        check_funnel(self.funnel, self.n)
        check_offsets(self.offsets, days=len(self.days), auctions=self.n)
        self._check_values()

    def _check_values(self) -> None:
        check_price(self.market_price)
        seen: set[int] = set()
        for name in (*FLOAT_COLUMNS[1:], *REALISED_COLUMNS):
            column = getattr(self, name)
            if column is None or id(column) in seen:
                continue
            seen.add(id(column))
            bounded = name.endswith(("exposure", "conversion"))
            check_range(name, column, 1.0 if bounded else float(np.finfo(np.float32).max))
        check_ids("segment", self.segment, len(self.segments))
        check_ids("source", self.source, self.sources)

    @property
    def n(self) -> int:
        """Auctions, N."""
        return int(self.market_price.shape[0])

    @property
    def n_days(self) -> int:
        """Days, D."""
        return int(self.offsets.shape[0])

    @property
    def slots(self) -> int:
        """Slots per day, T."""
        return int(self.offsets.shape[1]) - 1

    @property
    def counts(self) -> NDArray[np.int64]:
        """Auctions of each day's slots, (D, T)."""
        return np.diff(self.offsets, axis=1)

    @property
    def events(self) -> dict[Event, int]:
        """How many events of each type were told; empty where the log has no funnel."""
        if self.funnel is None:
            return {}
        return dict(zip(EVENTS, self.funnel.sum(axis=0, dtype=np.int64).tolist(), strict=True))

    @cached_property
    def dates(self) -> NDArray[np.int64] | None:
        """Days since 1970 (D,) of the days whose unit is a date, as importers write it, `UNDATED` of others.

        None where none has one, as in logs whose times count from 0.
        """
        found = np.array([_date_of(day.unit) for day in self.days], np.int64)
        return found if (found != UNDATED).any() else None

    @cached_property
    def digest(self) -> str:
        """Hex digest (blake2b, 16 bytes) of columns, funnel, offsets, segments and day records.

        The name, the notes and whose days they are do not count: a renamed log is the same log.
        """
        hasher = hashlib.blake2b(digest_size=16)
        # A log without a funnel has the digest that it had before logs had one.
        for name in (*COLUMNS, *(("funnel",) if self.funnel is not None else ()), "offsets"):
            column = getattr(self, name)
            hasher.update(f"{name}:{'none' if column is None else column.dtype.str}".encode())
            if column is not None:
                hasher.update(np.ascontiguousarray(column).view(np.uint8).data)
        # An int and an equal float are the same amount, also after they were stored.
        amounts = [
            (d.label, d.unit, float(d.budget), float(d.conversion_value), d.max_cpa and float(d.max_cpa))
            for d in self.days
        ]
        hasher.update(repr((amounts, tuple(self.segments), int(self.sources))).encode())
        return hasher.hexdigest()

    @cached_property
    def day_digests(self) -> tuple[str, ...]:
        """Hex digest (blake2b, 16 bytes) of each day's auctions: their prices and predicted KPIs, in order, (D,).

        A day is the same day under another label, budget or number of slots.
        """
        found = []
        for first, last in self.offsets[:, [0, -1]].tolist():
            hasher = hashlib.blake2b(digest_size=16)
            for name in FLOAT_COLUMNS[:4]:
                hasher.update(np.ascontiguousarray(getattr(self, name)[first:last]).view(np.uint8).data)
            found.append(hasher.hexdigest())
        return tuple(found)

    @classmethod
    def from_frame(
        cls, frame: Any, mapping: Mapping[str, Any] | str | Path, *, name: str = "frame", **options: Any
    ) -> AuctionLog:
        """The log of the auctions in a data frame, checked and cut into days as `bidpilot import mapping` does.

            log = AuctionLog.from_frame(
                frame,
                {
                    "time": {"column": "at"},  # ISO 8601, or as `form` says
                    "price": {"column": "paid"},  # currency per exposure
                    "conversion": {"sum": {"pcvr": 1.0}},  # predicted, in [0, 1]
                },
                budget=40.0,
            )

        Args:
            frame: of Polars, pandas or Arrow; a row per auction.
            mapping: what each column is: the entries of docs/logs.md, or a YAML file of them.
            name: what suites on the log are called.
            **options: of `bidpilot import`: budget, budget_share, conversion_value, terms, lost, seed.

        Raises:
            InvalidMapping, MissingColumn: the mapping or an option does not fit, or the frame.
            EmptyLog: no row can be used.
            CensoredLog, MissingPrices: prices are missing, and nothing was said of how to draw them.

        Rows that cannot be used are left out, and a warning says how many and why.
        """
        # Polars loads only where a frame is read.
        from bidpilot.envs.logs.framed import log_from_frame

        return log_from_frame(frame, mapping, name, options)

    def select_days(self, indices: Iterable[int]) -> AuctionLog:
        """The log of these days, in this order; a day may be named more than once.

        Raises:
            EmptyLog: no day is named.
            InvalidLog: an index is not in 0 .. D - 1.
        """
        chosen = [int(index) for index in indices]
        if not chosen:
            raise EmptyLog("No day was selected. Name at least one day of the log.")
        outside = [index for index in chosen if not 0 <= index < self.n_days]
        if outside:
            raise InvalidLog(f"Days {outside} are not in the log, which holds days 0 to {self.n_days - 1}.")
        bounds = [(int(self.offsets[day, 0]), int(self.offsets[day, -1])) for day in chosen]
        # Columns that are one array stay one array, so that "true = predicted" still costs nothing.
        copies: dict[int, NDArray[Any]] = {}
        columns: dict[str, NDArray[Any] | None] = {}
        for name in (*COLUMNS, "funnel"):
            column = getattr(self, name)
            if column is not None and id(column) not in copies:
                copies[id(column)] = np.concatenate([column[first:last] for first, last in bounds])
            columns[name] = None if column is None else copies[id(column)]
        offsets = stack_offsets([np.diff(self.offsets[day]) for day in chosen])
        return replace(self, **columns, offsets=offsets, days=tuple(self.days[day] for day in chosen))  # type: ignore[arg-type]


def _date_of(unit: str) -> int:
    """Days since 1970 of a unit that is an ISO 8601 date; `UNDATED` of any other."""
    try:
        return days_since_1970(date.fromisoformat(unit))
    except ValueError:
        return int(UNDATED)


def stack_offsets(counts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Offsets (D, T + 1) from the auctions per slot of each day, D arrays of shape (T,).

    Raises:
        EmptyLog: no day.
        UnevenDays: the days differ in their number of slots.
        InvalidLog: the days have no slot.
    """
    if not counts:
        raise EmptyLog("The log holds no day. Give at least one day.")
    slots = check_even([len(day) for day in counts])
    offsets = np.zeros((len(counts), slots + 1), dtype=np.int64)
    np.cumsum(np.stack(counts), axis=1, out=offsets[:, 1:])
    offsets[1:] += np.cumsum(offsets[:-1, -1])[:, None]
    return offsets
