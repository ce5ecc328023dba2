"""An auction log on disk: a folder of Parquet and JSON.

`auctions.parquet` has one row per auction in arrival order, `log.json` is the LogManifest,
`set_aside.parquet`, where rows were set aside, holds them with their reason, and `hashed.parquet` the
keyed hashes that a mapping asked for, a row per auction. Columns that say nothing are not stored: true
values that are the predictions, realised outcomes that are not known, `invalid` where no auction is. Counts of events,
where the log has them, are a column for each type (`event_like`).
Reading and writing take a row group at a time, so a mapped log needs no memory of its size.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from bidpilot.bidding.errors import DamagedLog, NotALog, UnevenDays
from bidpilot.bidding.event import EVENTS
from bidpilot.bidding.kpi import KPI
from bidpilot.envs.logs.auction_log import COLUMNS, EVENT_COLUMNS, REALISED_COLUMNS, AuctionLog
from bidpilot.envs.logs.checks import DTYPES
from bidpilot.envs.logs.headers import require_columns
from bidpilot.envs.logs.manifest import MANIFEST_FILE, LogManifest, read_manifest

AUCTIONS_FILE = "auctions.parquet"
SET_ASIDE_FILE = "set_aside.parquet"
HASHED_FILE = "hashed.parquet"
WON_FILE = "won.parquet"
"""What was won, with its outcomes: of a bid server's log."""
MAPPED_FOLDER = "mapped"
_STAMP = "stamp"
_LARGE = 50_000_000  # auctions
_ROW_GROUP = 1 << 20  # rows decoded at a time; more would cost memory while loading
_FEW_VALUES = ["segment", "source", "invalid", "day", "slot"]
_TRUE_OF = {f"true_{kpi}": kpi for kpi in KPI}
_NEEDED = ("market_price", *KPI, "segment", "source", "day", "slot")


Allocate = Callable[[str, tuple[int, ...], "np.dtype[Any]"], NDArray[Any]]


def save_log(
    log: AuctionLog,
    folder: str | Path,
    set_aside: pl.DataFrame | Path | None = None,
    rows_set_aside: int | None = None,
    hashed: Path | None = None,
    dropped: tuple[str, ...] = (),
) -> LogManifest:
    """Write a log to a folder; one that holds a log already is replaced.

    Args:
        log: the log.
        folder: made where missing.
        set_aside: rows that did not become auctions, with a column `reason`, or a Parquet file of them.
        rows_set_aside: how many there are; None counts them.
        hashed: Parquet file of keyed hashes, a row per auction.
        dropped: columns of the imported files that were not read.

    Raises:
        NotALog: the folder holds other things, which are left alone.
    """
    folder = Path(folder)
    check_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # log.json goes first and comes last: a folder that was cut short while written is no log.
    (folder / MANIFEST_FILE).unlink(missing_ok=True)
    for stale in (folder / SET_ASIDE_FILE, folder / HASHED_FILE, folder / WON_FILE, *folder.glob(f"{MAPPED_FOLDER}/*")):
        stale.unlink(missing_ok=True)
    _write_auctions(log, folder / AUCTIONS_FILE)
    if isinstance(set_aside, Path):
        rows_set_aside = pq.read_metadata(set_aside).num_rows if rows_set_aside is None else rows_set_aside
        shutil.copyfile(set_aside, folder / SET_ASIDE_FILE)
    elif set_aside is not None and set_aside.height:
        rows_set_aside = set_aside.height
        set_aside.write_parquet(folder / SET_ASIDE_FILE)
    if hashed is not None:
        shutil.copyfile(hashed, folder / HASHED_FILE)
    manifest = LogManifest.of(log, rows_set_aside=rows_set_aside or 0, dropped=dropped)
    (folder / MANIFEST_FILE).write_text(manifest.text(), encoding="utf-8")
    return manifest


def check_folder(folder: Path) -> None:
    """Check that a log may be written to a folder.

    Raises:
        NotALog: it is a file, or holds things that are no log.
    """
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir()) and not (folder / MANIFEST_FILE).is_file()):
        raise NotALog(f"{folder} exists and is no auction log; it was left alone. Name an empty or new folder.")


def load_log(folder: str | Path, memory_map: bool | None = False) -> AuctionLog:
    """Read a log that `save_log` wrote; columns are decoded one at a time.

    Args:
        folder: the log's folder.
        memory_map: keep the decoded columns in files beside the log and map them, so that a log
            larger than memory still replays. Files that an earlier call decoded from the same log are
            taken as they are. None: where the log has more than 50 million auctions.

    Raises:
        NotALog, UnknownLogVersion: see `read_manifest`.
        MissingColumn: a column is missing or misspelt; names the nearest that is present.
        UnevenDays: an auction lies in a slot that the other days do not have.
        DamagedLog: a file is truncated or altered.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    path = folder / AUCTIONS_FILE
    if memory_map is None:
        memory_map = manifest.rows_kept > _LARGE
    try:
        with pq.ParquetFile(path) as file:
            present = file.schema_arrow.names
            require_columns(present, _NEEDED, str(path))
            offsets = _read_offsets(file, manifest, str(path))
            rows = int(offsets[-1, -1])
            if memory_map:
                columns = _mapped_columns(folder, file, present, rows)
            else:
                columns = _read_columns(file, present, rows, _in_memory, str(path))
    except (pa.ArrowException, OSError) as error:
        raise DamagedLog(f"{path} cannot be read ({error}). Import the log again.") from error
    log = AuctionLog(
        name=manifest.name,
        **columns,
        offsets=offsets,
        days=manifest.records(),
        segments=manifest.segments,
        sources=manifest.sources,
        notes=manifest.notes,
        cut=manifest.cut,
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


def _write_auctions(log: AuctionLog, path: Path) -> None:
    names = [name for name in COLUMNS if _says_something(log, name)]
    ends = log.offsets[:, 1:].ravel()
    writer: pq.ParquetWriter | None = None
    for first in range(0, log.n, _ROW_GROUP):
        last = min(first + _ROW_GROUP, log.n)
        columns: dict[str, NDArray[Any]] = {name: getattr(log, name)[first:last] for name in names}
        if log.funnel is not None:
            columns |= dict(zip(EVENT_COLUMNS.values(), np.ascontiguousarray(log.funnel[first:last].T), strict=True))
        place = np.searchsorted(ends, np.arange(first, last), side="right")
        day, slot = np.divmod(place, log.slots)
        table = pa.table({**columns, "day": day.astype(np.int32), "slot": slot.astype(np.int16)})
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd", use_dictionary=_FEW_VALUES)
        writer.write_table(table, row_group_size=_ROW_GROUP)
    if writer is not None:
        writer.close()


def _says_something(log: AuctionLog, name: str) -> bool:
    column = getattr(log, name)
    told_elsewhere = name in _TRUE_OF and column is getattr(log, _TRUE_OF[name])
    return not (column is None or told_elsewhere or (name == "invalid" and not column.any()))


def _in_memory(_name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    return np.empty(shape, dtype=dtype)


def _mapped(folder: Path) -> Allocate:
    (folder / MAPPED_FOLDER).mkdir(exist_ok=True)

    def allocate(name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        path = folder / MAPPED_FOLDER / f"{name}.npy"
        # An older mapping may be in use by another process: a new file leaves its pages alone.
        path.unlink(missing_ok=True)
        return np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)

    return allocate


def _mapped_columns(folder: Path, file: pq.ParquetFile, present: list[str], rows: int) -> dict[str, Any]:
    """Columns as maps of files; decoded only where the log changed since they were."""
    path, stamp = folder / AUCTIONS_FILE, folder / MAPPED_FOLDER / _STAMP
    state = path.stat()
    now = f"{state.st_size} {state.st_mtime_ns} {rows}"
    if not (stamp.is_file() and stamp.read_text() == now):
        stamp.unlink(missing_ok=True)
        columns = _read_columns(file, present, rows, _mapped(folder), str(path))
        stamp.write_text(now)
        return columns
    columns = {}
    for name in (*COLUMNS, "funnel"):
        mapped = folder / MAPPED_FOLDER / f"{name}.npy"
        if mapped.is_file():
            columns[name] = np.load(mapped, mmap_mode="r")
        else:
            columns[name] = columns[_TRUE_OF[name]] if name in _TRUE_OF else None
    return columns


def _batches(file: pq.ParquetFile, columns: list[str]) -> Iterator[list[NDArray[Any]]]:
    """The columns, at most a row group at a time; a null becomes NaN, or an object that no log column takes."""
    for batch in file.iter_batches(batch_size=_ROW_GROUP, columns=columns):
        yield [batch.column(name).to_numpy(zero_copy_only=False) for name in columns]


def _read_column(file: pq.ParquetFile, name: str, column: NDArray[Any], where: str) -> NDArray[Any]:
    """Decode one column, batch by batch, into an array (N,) of the log's dtype."""
    rows = len(column)
    done = nulls = 0
    for batch in file.iter_batches(batch_size=_ROW_GROUP, columns=[name]):
        part = batch.column(0)
        nulls += part.null_count
        if not part.null_count and done + len(part) <= rows:
            column[done : done + len(part)] = part.to_numpy(zero_copy_only=False)
        done += len(part)
    if done != rows or nulls:
        raise DamagedLog(
            f"Column {name} of {where} has {done} rows, {nulls} of them null; "
            f"{rows} without nulls were written. Import the log again."
        )
    return column


def _read_columns(
    file: pq.ParquetFile, present: list[str], rows: int, allocate: Allocate, where: str
) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    for name in COLUMNS:
        dtype = np.dtype(DTYPES.get(name, np.float32))
        if name in present:
            columns[name] = _read_column(file, name, allocate(name, (rows,), dtype), where)
        elif name in _TRUE_OF:
            columns[name] = columns[_TRUE_OF[name]]
        elif name in REALISED_COLUMNS:
            columns[name] = None
        else:  # only `invalid` is left: the others are needed
            columns[name] = allocate(name, (rows,), dtype)
            columns[name][:] = False
    columns["funnel"] = None
    if any(name in present for name in EVENT_COLUMNS.values()):
        require_columns(present, tuple(EVENT_COLUMNS.values()), where)
        columns["funnel"] = allocate("funnel", (rows, len(EVENTS)), np.dtype(DTYPES["funnel"]))
        for kind, name in enumerate(EVENT_COLUMNS.values()):
            _read_column(file, name, columns["funnel"][:, kind], where)
    return columns


def _read_offsets(file: pq.ParquetFile, manifest: LogManifest, where: str) -> NDArray[np.int64]:
    """Offsets (D, T + 1) from the columns `day` and `slot`."""
    n_days, slots = len(manifest.days), manifest.slots
    counts = np.zeros(n_days * slots, dtype=np.int64)
    last = -1
    for day, slot in _batches(file, ["day", "slot"]):
        late = np.flatnonzero(slot >= slots)
        if len(late):
            raise UnevenDays(
                f"Day {day[late[0]]} of {where} has a slot {slot[late[0]]}; the days have slots 0 to {slots - 1}. "
                "All days of a log need the same number of slots."
            )
        if day.min() < 0 or day.max() >= n_days or slot.min() < 0:
            raise DamagedLog(
                f"{where} has days {day.min()} to {day.max()}, log.json names {n_days}. Import the log again."
            )
        place = day.astype(np.int64) * slots + slot
        if place[0] < last or (np.diff(place) < 0).any():
            raise DamagedLog(f"The auctions of {where} are not in order of day and slot. Import the log again.")
        last = int(place[-1])
        counts += np.bincount(place, minlength=len(counts))
    ends = np.concatenate([[0], np.cumsum(counts)])
    offsets: NDArray[np.int64] = ends[np.arange(n_days)[:, None] * slots + np.arange(slots + 1)]
    return offsets
