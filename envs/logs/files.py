"""Finding and reading the files that an importer is given."""

from __future__ import annotations

import glob
from collections.abc import Iterable
from pathlib import Path

import polars as pl

from bidpilot.bidding.errors import NoFilesMatched, UnknownFormat, UnreadableFile
from bidpilot.envs.logs.storage import require_columns

ENDINGS = (".csv", ".parquet")


def find_files(files: Iterable[str | Path]) -> list[Path]:
    """The files that the paths and patterns name, each once, in the order given.

    Raises:
        NoFilesMatched: nothing was named, or a path or pattern matches no file.
        UnknownFormat: a file ends neither in .csv nor in .parquet.
    """
    found: dict[Path, None] = {}
    for file in files:
        # A path that exists is taken by its name, even where its name has the marks of a pattern.
        matches = [str(file)] if Path(file).is_file() else sorted(glob.glob(str(file)))
        matches = [match for match in matches if Path(match).is_file()]
        if not matches:
            raise NoFilesMatched(f"{file} matches no file. Check the path, or the pattern and its quotes.")
        found.update(dict.fromkeys(Path(match) for match in matches))
    if not found:
        raise NoFilesMatched("No file was named. Name at least one .csv or .parquet file.")
    for path in found:
        if path.suffix.lower() not in ENDINGS:
            raise UnknownFormat(
                f"{path} ends in {path.suffix or 'nothing'!r}; {' and '.join(ENDINGS)} files can be read. "
                "Convert the file, or correct its ending."
            )
    return list(found)


def read_columns(path: Path, columns: tuple[str, ...]) -> pl.DataFrame:
    """Read these columns of a CSV (as text) or Parquet file (as stored).

    Raises:
        MissingColumn: a column is missing; names the nearest that is present.
        UnreadableFile: the file is empty, truncated or not of its format.
    """
    try:
        if path.suffix.lower() == ".csv":  # noqa: SIM108 - the comment belongs to one branch
            # Text first: one unreadable number must cost its row and not the file.
            lazy = pl.scan_csv(path, infer_schema=False)
        else:
            lazy = pl.scan_parquet(path)
        require_columns(lazy.collect_schema().names(), columns, str(path))
        return lazy.select(columns).collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise UnreadableFile(f"{path} cannot be read ({error}). Fetch or write the file again.") from error
