"""One import, from files to a log: both passes, and what is left over."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from bidpilot.envs.logs.assembly import assemble
from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.envs.logs.files import find_files
from bidpilot.envs.logs.formats import Format, Imported, ImportOptions
from bidpilot.envs.logs.staging import Staging

MakeFormat = Callable[[ImportOptions], Format]


@dataclass(frozen=True)
class ImportResult:
    """A log in memory, and what did not become part of it: rows_in + copied = log.n + set_aside.height."""

    log: AuctionLog
    set_aside: pl.DataFrame  # file, row (0-based), the columns as text, reason
    rows_in: int  # rows read, of the advertiser asked for
    rows_other: int = 0  # rows of other advertisers, not read further
    dropped: tuple[str, ...] = ()  # columns of the files that were not read
    hashed: pl.DataFrame | None = None  # keyed hashes, one row per auction; None where none was asked for
    copied: int = 0  # rows of the log that stand in for slots that were left out


def import_files(
    make_format: Callable[[list[Path]], Format],
    files: Iterable[str | Path],
    options: ImportOptions,
    name: str,
    folder: Path,
    in_memory: bool = False,
    pattern: str = "*",
) -> Imported:
    """Import files into a log whose columns lie in `folder`, which is empty and for this import alone.

    Args:
        make_format: the format of the files, which it may look at.
        files: paths, patterns or folders.
        options: what the caller decides.
        name: the log's name.
        folder: where rows and columns are written; removing it removes the log unless it is in memory.
        in_memory: whether the columns are read back into memory.
        pattern: what the names of a folder's files are like.

    Raises:
        NoFilesMatched, UnknownFormat, UnreadableFile, MissingColumn: from the files.
        EmptyLog: no row can be used, or none is of the advertiser asked for.
        CensoredLog, MissingPrices: prices are missing and nothing was said of how to draw them.
    """
    paths = find_files(files, pattern)
    format = make_format(paths)
    paths = paths if format.auctions is None else list(format.auctions)
    staging = Staging(folder, format, options)
    dropped: dict[str, None] = {}
    for number, path in enumerate(paths):
        dropped.update(dict.fromkeys(column for column in format.present(path) if column not in format.used))
        staging.add(path, number)
    log = assemble(staging, paths, name, in_memory)
    return Imported(
        log=log,
        set_aside=_joined(folder / "aside", folder / "set_aside.parquet"),
        hashed=_joined(folder / "hashed", folder / "hashed.parquet"),
        reasons=dict(staging.reasons.most_common()),
        rows_in=staging.rows_in,
        rows_other=staging.rows_other,
        dropped=tuple(dropped),
    )


def import_in_memory(
    make_format: MakeFormat, files: Iterable[str | Path], options: ImportOptions, name: str
) -> ImportResult:
    """Import files into memory. Raises what `import_files` raises."""
    with TemporaryDirectory(prefix="bidpilot-import-") as folder:
        found = import_files(
            lambda _paths: make_format(options), files, options, name, Path(folder) / "staging", in_memory=True
        )
        aside = pl.DataFrame(schema={"file": pl.String, "row": pl.Int64, "reason": pl.String})
        if found.set_aside is not None:
            aside = pl.read_parquet(found.set_aside)
        hashed = None if found.hashed is None else pl.read_parquet(found.hashed)
        return ImportResult(found.log, aside, found.rows_in, found.rows_other, found.dropped, hashed)


def _joined(parts: Path, out: Path) -> Path | None:
    """One Parquet file of all parts, in order, streamed; None where there are none."""
    if not parts.is_dir() or not any(parts.iterdir()):
        return None
    pl.scan_parquet(sorted(parts.iterdir())).sink_parquet(out)
    return out
