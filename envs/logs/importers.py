"""The formats that `bidpilot import` knows, and one import from files to a stored log."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from bidpilot.bidding.errors import LogExists, UnknownFormat
from bidpilot.envs.logs.auctionnet import auctionnet_format
from bidpilot.envs.logs.criteo import criteo_format
from bidpilot.envs.logs.decisions import import_decisions
from bidpilot.envs.logs.formats import Format, Imported, ImportOptions
from bidpilot.envs.logs.importing import ImportResult, import_files
from bidpilot.envs.logs.incidents import UnderIncident
from bidpilot.envs.logs.ipinyou import ipinyou_format
from bidpilot.envs.logs.kuairand import LOGS, kuairand_format
from bidpilot.envs.logs.mapped import mapped_format
from bidpilot.envs.logs.outcomes import Plain, as_it_is
from bidpilot.envs.logs.storage import HASHED_FILE, SET_ASIDE_FILE, WON_FILE, check_folder, save_log
from bidpilot.envs.logs.won import read_won

IMPORTERS: dict[str, Callable[[ImportOptions, list[Path]], Format]] = {
    "auctionnet": lambda options, _paths: auctionnet_format(options),
    "criteo": criteo_format,
    "ipinyou": ipinyou_format,
    "kuairand": kuairand_format,
    "mapping": mapped_format,
}
"""Each importer looks at the options, and at the files where it must, and says how to read them."""

_IN_FOLDERS = {"kuairand": LOGS}
"""What the names of a folder's files are like, where other tables lie beside them."""

DECISIONS = "decisions"
"""A bid server's own log, whose segments are its bundle's: it is read as it was written."""


@dataclass(frozen=True)
class ImportSummary:
    """What an import did: rows_in + copied = rows_kept + the sum of set_aside."""

    folder: Path
    name: str
    days: int
    rows_in: int
    rows_kept: int
    set_aside: dict[str, int]  # rows per reason, most frequent first
    rows_other: int  # rows of advertisers that were not asked for
    digest: str
    dropped: tuple[str, ...] = ()  # columns of the files that were not read
    notes: tuple[str, ...] = ()  # what a reader of the log must know
    hashed: tuple[str, ...] = ()  # columns kept as keyed hashes
    copied: int = 0  # rows that stand in for slots that were left out

    def lines(self) -> list[str]:
        """The summary in words, one fact per line."""
        aside = sum(self.set_aside.values())
        out = [
            f"log {self.name!r} in {self.folder}: {self.days} days, digest {self.digest}",
            f"rows in {self.rows_in:,} = rows kept {self.rows_kept - self.copied:,} + rows set aside {aside:,}",
            *(f"  {count:,} set aside: {reason}" for reason, count in self.set_aside.items()),
        ]
        if self.copied:
            out.append(f"  {self.copied:,} rows more stand in for slots that were left out")
        if aside:
            out.append(f"  the rows set aside are in {self.folder / SET_ASIDE_FILE}")
        if self.rows_other:
            out.append(f"rows of other advertisers, not read: {self.rows_other:,}")
        if self.dropped:
            out.append(f"columns dropped: {', '.join(self.dropped)}")
        if self.hashed:
            out.append(f"columns kept as keyed hashes, in {self.folder / HASHED_FILE}: {', '.join(self.hashed)}")
        return [*out, *(f"note: {note}" for note in self.notes)]


def run_import(
    format: str,
    files: Sequence[str | Path],
    out: str | Path,
    advertiser: int | None = None,
    name: str | None = None,
    options: ImportOptions | None = None,
    force: bool = False,
    incidents: Sequence[UnderIncident] = (),
    plain: Plain = as_it_is,
) -> ImportSummary:
    """Import files and store the log; memory is bounded by a batch of rows and by the largest day.

    Args:
        format: a key of IMPORTERS, or `DECISIONS`.
        files: paths, patterns or folders.
        out: the log's folder.
        advertiser: the one advertiser to import; None imports all.
        name: the log's name; None calls it after the folder.
        options: everything else that the caller decides.
        force: whether a log that is in `out` already is replaced.
        incidents: of a bid server, whose slots are left out of its decisions.
        plain: decrypts what a bid server has encrypted.

    Raises:
        UnknownFormat: no importer has this name.
        LogExists: a log is there and was not to be replaced.
        NotALog: the folder holds other things.
        and what `import_files` and the importer raise.
    """
    if format not in (*IMPORTERS, DECISIONS):
        known = ", ".join(sorted((*IMPORTERS, DECISIONS)))
        raise UnknownFormat(f"No importer is called {format!r}. Known formats: {known}.")
    folder = Path(out)
    _check_out(folder, force)
    if format == DECISIONS:
        named = name or folder.resolve().name
        paths = list(files)
        result = import_decisions(paths, named, incidents, plain)
        won = read_won(paths, incidents, plain)
        summary = _store_decisions(result, folder)
        won.write_parquet(folder / WON_FILE)
        return summary
    options = options or ImportOptions()
    if advertiser is not None:
        options = replace(options, advertiser=advertiser)
    # Beside the log, since rows and columns need the room that the log itself will take.
    folder.resolve().parent.mkdir(parents=True, exist_ok=True)
    staging = folder.resolve().parent / f".{folder.resolve().name}.importing"
    shutil.rmtree(staging, ignore_errors=True)
    try:
        imported = import_files(
            lambda paths: IMPORTERS[format](options, paths),
            files,
            options,
            name or folder.resolve().name,
            staging,
            pattern=_IN_FOLDERS.get(format, "*"),
        )
        return _store(imported, folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _check_out(folder: Path, force: bool) -> None:
    """Nothing that exists is overwritten unasked, and nothing that is no log at all."""
    check_folder(folder)
    if folder.is_dir() and any(folder.iterdir()) and not force:
        raise LogExists(f"{folder} holds a log already. Name another folder, or replace the log with --force.")


def _store_decisions(result: ImportResult, folder: Path) -> ImportSummary:
    manifest = save_log(result.log, folder, set_aside=result.set_aside)
    counts = result.set_aside["reason"].value_counts(sort=True)
    return ImportSummary(
        folder=folder,
        name=manifest.name,
        days=len(manifest.days),
        rows_in=result.rows_in,
        rows_kept=manifest.rows_kept,
        set_aside=dict(counts.iter_rows()),
        rows_other=0,
        digest=manifest.digest,
        notes=manifest.notes,
        copied=result.copied,
    )


def _store(imported: Imported, folder: Path) -> ImportSummary:
    manifest = save_log(
        imported.log,
        folder,
        set_aside=imported.set_aside,
        rows_set_aside=sum(imported.reasons.values()),
        hashed=imported.hashed,
        dropped=imported.dropped,
    )
    return ImportSummary(
        folder=folder,
        name=manifest.name,
        days=len(manifest.days),
        rows_in=imported.rows_in,
        rows_kept=manifest.rows_kept,
        set_aside=imported.reasons,
        rows_other=imported.rows_other,
        digest=manifest.digest,
        dropped=imported.dropped,
        notes=manifest.notes,
        hashed=() if imported.hashed is None else tuple(pl.read_parquet_schema(imported.hashed)),
    )
