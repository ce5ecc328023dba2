"""The formats that `bidpilot import` knows, and one import from files to a stored log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bidpilot.bidding.errors import UnknownFormat
from bidpilot.envs.logs.auctionnet import ImportResult, import_auctionnet
from bidpilot.envs.logs.decisions import import_decisions
from bidpilot.envs.logs.storage import SET_ASIDE_FILE, save_log


class Importer(Protocol):
    """Reads files of one format into a log, setting aside the rows that it cannot use."""

    def __call__(self, files: Sequence[str | Path], advertiser: int | None, name: str) -> ImportResult:
        """Import these files; see the importer's own docstring for what it raises."""


IMPORTERS: dict[str, Importer] = {"auctionnet": import_auctionnet, "decisions": import_decisions}


@dataclass(frozen=True)
class ImportSummary:
    """What an import did: rows_in = rows_kept + the sum of set_aside."""

    folder: Path
    name: str
    days: int
    rows_in: int
    rows_kept: int
    set_aside: dict[str, int]  # rows per reason, most frequent first
    rows_other: int  # rows of advertisers that were not asked for
    digest: str

    def lines(self) -> list[str]:
        """The summary in words, one fact per line."""
        aside = sum(self.set_aside.values())
        out = [
            f"log {self.name!r} in {self.folder}: {self.days} days, digest {self.digest}",
            f"rows in {self.rows_in:,} = rows kept {self.rows_kept:,} + rows set aside {aside:,}",
            *(f"  {count:,} set aside: {reason}" for reason, count in self.set_aside.items()),
        ]
        if aside:
            out.append(f"  the rows set aside are in {self.folder / SET_ASIDE_FILE}")
        if self.rows_other:
            out.append(f"rows of other advertisers, not read: {self.rows_other:,}")
        return out


def run_import(
    format: str,
    files: Sequence[str | Path],
    out: str | Path,
    advertiser: int | None = None,
    name: str | None = None,
) -> ImportSummary:
    """Import files and store the log.

    Args:
        format: a key of IMPORTERS.
        files: paths or patterns.
        out: the log's folder; a log that is there already is replaced.
        advertiser: the one advertiser to import; None imports all.
        name: the log's name; None calls it after the folder.

    Raises:
        UnknownFormat: no importer has this name.
        NotALog: the folder holds other things.
        and what the importer raises.
    """
    if format not in IMPORTERS:
        raise UnknownFormat(f"No importer is called {format!r}. Known formats: {', '.join(sorted(IMPORTERS))}.")
    result = IMPORTERS[format](files, advertiser, name or Path(out).resolve().name)
    manifest = save_log(result.log, out, set_aside=result.set_aside)
    return ImportSummary(
        folder=Path(out),
        name=manifest.name,
        days=len(manifest.days),
        rows_in=result.rows_in,
        rows_kept=manifest.rows_kept,
        set_aside=dict(result.set_aside["reason"].value_counts(sort=True).iter_rows()),
        rows_other=result.rows_other,
        digest=manifest.digest,
    )
