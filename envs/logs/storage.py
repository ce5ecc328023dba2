"""An auction log on disk: a folder of Parquet and JSON.

`auctions.parquet` has one row per auction in arrival order, `log.json` is the LogManifest, and
`set_aside.parquet`, where rows were set aside, holds them with their reason. Columns that say
nothing are not stored: true values that are the predictions, realised outcomes that are not known,
`invalid` where no auction is.
"""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bidpilot.bidding.errors import DamagedLog, MissingColumn, NotALog, UnevenDays
from bidpilot.envs.logs.auction_log import COLUMNS, REALISED_COLUMNS, AuctionLog
from bidpilot.envs.logs.checks import DTYPES
from bidpilot.envs.logs.manifest import MANIFEST_FILE, LogManifest, read_manifest

AUCTIONS_FILE = "auctions.parquet"
SET_ASIDE_FILE = "set_aside.parquet"
MAPPED_FOLDER = "mapped"
_ROW_GROUP = 1 << 20  # rows decoded at a time; more would cost memory while loading
_SLOT_KEYS = 1 << 16  # more than any day has slots
_TRUE_OF = {f"true_{kpi}": kpi for kpi in ("exposure", "interaction", "conversion")}
_NEEDED = ("market_price", "exposure", "interaction", "conversion", "segment", "source", "day", "slot")

Allocate = Callable[[str, int, "np.dtype[Any]"], NDArray[Any]]


def save_log(log: AuctionLog, folder: str | Path, set_aside: pl.DataFrame | None = None) -> LogManifest:
    """Write a log to a folder; one that holds a log already is replaced.

    Args:
        log: the log.
        folder: made where missing.
        set_aside: rows that did not become auctions, with a column `reason`.

    Raises:
        NotALog: the folder holds other things, which are left alone.
    """
    folder = Path(folder)
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir()) and not (folder / MANIFEST_FILE).is_file()):
        raise NotALog(f"{folder} exists and is no auction log; it was left alone. Name an empty or new folder.")
    folder.mkdir(parents=True, exist_ok=True)
    # log.json goes first and comes last: a folder that was cut short while written is no log.
    (folder / MANIFEST_FILE).unlink(missing_ok=True)
    for stale in (folder / SET_ASIDE_FILE, *folder.glob(f"{MAPPED_FOLDER}/*.npy")):
        stale.unlink(missing_ok=True)
    _auctions_frame(log).write_parquet(folder / AUCTIONS_FILE, row_group_size=_ROW_GROUP)
    if set_aside is not None and set_aside.height:
        set_aside.write_parquet(folder / SET_ASIDE_FILE)
    manifest = LogManifest.of(log, rows_set_aside=0 if set_aside is None else set_aside.height)
    (folder / MANIFEST_FILE).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return manifest


def load_log(folder: str | Path, memory_map: bool = False) -> AuctionLog:
    """Read a log that `save_log` wrote; columns are decoded one at a time.

    Args:
        folder: the log's folder.
        memory_map: keep the decoded columns in files beside the log and map them, so that a log
            larger than memory still replays.

    Raises:
        NotALog, UnknownLogVersion: see `read_manifest`.
        MissingColumn: a column is missing or misspelt; names the nearest that is present.
        UnevenDays: an auction lies in a slot that the other days do not have.
        DamagedLog: a file is truncated or altered.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    path = folder / AUCTIONS_FILE
    allocate = _mapped(folder) if memory_map else _in_memory
    try:
        present = list(pl.read_parquet_schema(path))
        require_columns(present, _NEEDED, str(path))
        offsets = _read_offsets(path, manifest)
        columns = _read_columns(path, present, int(offsets[-1, -1]), allocate)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DamagedLog(f"{path} cannot be read ({error}). Import the log again.") from error
    log = AuctionLog(
        name=manifest.name,
        **columns,
        offsets=offsets,
        days=manifest.records(),
        segments=manifest.segments,
        sources=manifest.sources,
        notes=manifest.notes,
    )
    if log.digest != manifest.digest:
        raise DamagedLog(
            f"{path} has digest {log.digest}, log.json says {manifest.digest}: one of them was altered. "
            "Import the log again."
        )
    return log


def read_set_aside(folder: str | Path) -> pl.DataFrame:
    """The rows that were set aside when the log was imported; empty where none were."""
    path = Path(folder) / SET_ASIDE_FILE
    if not path.is_file():
        return pl.DataFrame(schema={"reason": pl.String})
    try:
        return pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DamagedLog(f"{path} cannot be read ({error}). Import the log again.") from error


def require_columns(present: list[str], needed: tuple[str, ...], where: str) -> None:
    """Check that every needed column is present.

    Raises:
        MissingColumn: naming each missing column and the nearest name that is present.
    """
    missing = [name for name in needed if name not in present]
    if not missing:
        return
    by_lower = {name.lower(): name for name in present}
    hints = []
    for name in missing:
        near = get_close_matches(name.lower(), by_lower, n=1, cutoff=0.0)
        hints.append(f"{name} (nearest present: {by_lower[near[0]] if near else 'none'})")
    raise MissingColumn(f"{where} lacks {', '.join(hints)}. Rename or add the columns; present: {present}.")


def _auctions_frame(log: AuctionLog) -> pl.DataFrame:
    columns: dict[str, NDArray[Any]] = {}
    for name in COLUMNS:
        column = getattr(log, name)
        told_elsewhere = name in _TRUE_OF and column is getattr(log, _TRUE_OF[name])
        if column is None or told_elsewhere or (name == "invalid" and not column.any()):
            continue
        columns[name] = column
    counts = log.counts
    columns["day"] = np.repeat(np.arange(log.n_days, dtype=np.int32), counts.sum(axis=1))
    columns["slot"] = np.repeat(np.tile(np.arange(log.slots, dtype=np.int16), log.n_days), counts.ravel())
    return pl.DataFrame(columns)


def _in_memory(_name: str, rows: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    return np.empty(rows, dtype=dtype)


def _mapped(folder: Path) -> Allocate:
    (folder / MAPPED_FOLDER).mkdir(exist_ok=True)

    def allocate(name: str, rows: int, dtype: np.dtype[Any]) -> NDArray[Any]:
        path = folder / MAPPED_FOLDER / f"{name}.npy"
        # An older mapping may be in use by another process: a new file leaves its pages alone.
        path.unlink(missing_ok=True)
        return np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=(rows,))

    return allocate


def _read_column(path: Path, name: str, rows: int, dtype: np.dtype[Any], allocate: Allocate) -> NDArray[Any]:
    """Decode one column, chunk by chunk, into an array of the log's dtype."""
    series = pl.read_parquet(path, columns=[name]).to_series()
    if len(series) != rows or series.null_count():
        raise DamagedLog(
            f"Column {name} of {path} has {len(series)} rows, {series.null_count()} of them null; "
            f"{rows} without nulls were written. Import the log again."
        )
    column = allocate(name, rows, dtype)
    done = 0
    for chunk in series.get_chunks():
        column[done : done + len(chunk)] = chunk.to_numpy()
        done += len(chunk)
    return column


def _read_columns(path: Path, present: list[str], rows: int, allocate: Allocate) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    for name in COLUMNS:
        dtype = np.dtype(DTYPES.get(name, np.float32))
        if name in present:
            columns[name] = _read_column(path, name, rows, dtype, allocate)
        elif name in _TRUE_OF:
            columns[name] = columns[_TRUE_OF[name]]
        elif name in REALISED_COLUMNS:
            columns[name] = None
        else:  # only `invalid` is left: the others are needed
            columns[name] = allocate(name, rows, dtype)
            columns[name][:] = False
    return columns


def _read_offsets(path: Path, manifest: LogManifest) -> NDArray[np.int64]:
    """Offsets (D, T + 1) from the columns `day` and `slot`."""
    # Runs of equal keys, and not groups: a slot met twice is out of order, and so named below.
    key = pl.col("day").cast(pl.Int64) * _SLOT_KEYS + pl.col("slot").cast(pl.Int64)
    runs = pl.scan_parquet(path).select(key.rle().struct.unnest()).collect()
    day, slot = np.divmod(runs["value"].to_numpy(), _SLOT_KEYS)
    n_days, slots = len(manifest.days), manifest.slots
    late = np.flatnonzero(slot >= slots)
    if len(late):
        raise UnevenDays(
            f"Day {day[late[0]]} of {path} has a slot {slot[late[0]]}; the days have slots 0 to {slots - 1}. "
            "All days of a log need the same number of slots."
        )
    if len(day) and (day.min() < 0 or day.max() >= n_days):
        raise DamagedLog(f"{path} has days {day.min()} to {day.max()}, log.json names {n_days}. Import it again.")
    place = day * slots + slot
    if (np.diff(place) <= 0).any():
        raise DamagedLog(f"The auctions of {path} are not in order of day and slot. Import the log again.")
    counts = np.zeros(n_days * slots, dtype=np.int64)
    counts[place] = runs["len"].to_numpy()
    ends = np.concatenate([[0], np.cumsum(counts)])
    offsets: NDArray[np.int64] = ends[np.arange(n_days)[:, None] * slots + np.arange(slots + 1)]
    return offsets
