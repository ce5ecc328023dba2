"""The rows of a bid server's decision log, `decisions-*.parquet`: the columns that whoever reads them needs."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from pathlib import Path

import polars as pl

from bidpilot.bidding.errors import UnreadableFile
from bidpilot.envs.logs.files import find_files
from bidpilot.envs.logs.headers import require_columns
from bidpilot.envs.logs.outcomes import Plain, as_it_is


def decision_files(files: Iterable[str | Path]) -> list[Path]:
    """The files of decision logs.

    Args:
        files: paths, patterns or folders.

    Raises:
        NoFilesMatched: there is none.
    """
    return find_files(files, "decisions-*")


def read_decision_rows(
    paths: Iterable[Path],
    columns: Iterable[str],
    plain: Plain = as_it_is,
    later: Mapping[str, pl.DataType | type[pl.DataType]] | None = None,
) -> pl.DataFrame:
    """The rows of these files, one after the other, with `columns` and `file`, the name of the file that each is of.

    Args:
        paths: of decision logs.
        columns: that every file has.
        plain: gives the bytes of a file, decrypted where it is encrypted.
        later: columns that servers of before did not write, with their types; null where a file has none.

    Raises:
        UnreadableFile, MissingColumn: a file is not what a bid server writes, or is encrypted.
    """
    needed, added = tuple(columns), dict(later or {})
    return pl.concat([_read(path, needed, added, plain) for path in paths], how="vertical_relaxed")


def _read(
    path: Path, needed: tuple[str, ...], later: Mapping[str, pl.DataType | type[pl.DataType]], plain: Plain
) -> pl.DataFrame:
    try:
        data = plain(path)
        present = list(pl.read_parquet_schema(io.BytesIO(data)))
        require_columns(present, needed, str(path))
        rows = pl.read_parquet(io.BytesIO(data), columns=[*needed, *(name for name in later if name in present)])
        absent = [pl.lit(None, kind).alias(name) for name, kind in later.items() if name not in present]
        return rows.with_columns(*absent, file=pl.lit(path.name)).select(*needed, *later, "file")
    except (pl.exceptions.PolarsError, OSError) as error:
        raise UnreadableFile(f"{path} cannot be read ({error}). Give the files that a bid server wrote.") from error
