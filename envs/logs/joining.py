"""Logs one after the other, as one log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.errors import InvalidLog
from bidpilot.envs.logs.auction_log import ADDED, COLUMNS, AuctionLog


def join_logs(logs: Sequence[AuctionLog]) -> AuctionLog:
    """One log with the days of all; named after the first. It has a funnel, and orders, where all of them have.

    Raises:
        InvalidLog: logs that differ in segments, sources, slots, time zone, or in the columns that they have.
    """
    first = logs[0]
    if len(logs) == 1:
        return first
    for other in logs[1:]:
        if (other.segments, other.sources, other.slots, other.cut) != (
            first.segments,
            first.sources,
            first.slots,
            first.cut,
        ):
            raise InvalidLog(
                "logs can be joined only where segments, sources, slots and time zone are the same. Join such logs."
            )
    joined: dict[tuple[int, ...], NDArray[Any]] = {}  # columns that are one array stay one array
    columns: dict[str, NDArray[Any] | None] = {}
    for name in (*COLUMNS, *ADDED):
        parts = [getattr(log, name) for log in logs]
        if any(part is None for part in parts):
            if name in COLUMNS and any(part is not None for part in parts):
                raise InvalidLog(f"only some of the logs record {name!r}. Join logs with the same columns.")
            columns[name] = None
            continue
        key = tuple(map(id, parts))
        if key not in joined:
            joined[key] = np.concatenate(parts)
        columns[name] = joined[key]
    before = np.cumsum([0, *(log.n for log in logs[:-1])])
    offsets = np.concatenate([log.offsets + n for log, n in zip(logs, before, strict=True)])
    return replace(first, **columns, offsets=offsets, days=tuple(day for log in logs for day in log.days))  # type: ignore[arg-type]
