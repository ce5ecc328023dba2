"""Finding and reading the files that an importer is given, batch by batch."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import polars as pl

from bidpilot.bidding.errors import MissingColumn, NoFilesMatched, UnknownFormat, UnreadableFile

ENDINGS = (".csv", ".parquet", ".txt", ".tsv", ".log")
BATCH_ROWS = 1 << 19
TEXT_BATCH_ROWS = 1 << 16  # lines are long, and Polars holds several batches at a time
RAGGED = "__ragged"
"""Column of a batch: True where the row has another number of fields than the header."""
_EXTRA = "__extra"
_ENDED_LINE = "\x1f"  # no text holds it, so that a line stays one field


@dataclass(frozen=True)
class TextLayout:
    """How a text file is laid out; Parquet needs no layout."""

    separator: str = ","
    quote: str | None = None  # None: quotes are stripped from around a field, and separate nothing
    columns: tuple[str, ...] = ()  # names where the file has no header line


def find_files(files: Iterable[str | Path]) -> list[Path]:
    """The files that the paths and patterns name, each once, in the order given.

    Raises:
        NoFilesMatched: nothing was named, or a path or pattern matches no file.
        UnknownFormat: a file ends in none of ENDINGS.
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
        raise NoFilesMatched("No file was named. Name at least one file.")
    for path in found:
        if path.suffix.lower() not in ENDINGS:
            raise UnknownFormat(
                f"{path} ends in {path.suffix or 'nothing'!r}; files in {' '.join(ENDINGS)} can be read. "
                "Unpack or convert the file, or correct its ending."
            )
    return list(found)


def is_parquet(path: Path) -> bool:
    """Whether a file is Parquet, by its ending."""
    return path.suffix.lower() == ".parquet"


def first_line(path: Path) -> str:
    """The first line of a text file, without its end; undecodable bytes are replaced.

    Raises:
        UnreadableFile: the file is empty or cannot be read.
    """
    try:
        with path.open("rb") as file:
            line = file.readline(1 << 20)
    except OSError as error:
        raise UnreadableFile(f"{path} cannot be read ({error}). Fetch or write the file again.") from error
    if not line:
        raise UnreadableFile(f"{path} is empty. Fetch or write the file again.")
    return line.decode("utf-8-sig", errors="replace").rstrip("\r\n")


def columns_of(path: Path, layout: TextLayout) -> list[str]:
    """The names of a file's columns.

    Raises:
        UnreadableFile: the file is empty or not of its format, or a name is repeated.
    """
    if is_parquet(path):
        try:
            return pl.scan_parquet(path).collect_schema().names()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise UnreadableFile(f"{path} cannot be read ({error}). Fetch or write the file again.") from error
    line = first_line(path)
    names = list(layout.columns) or [name.strip().strip('"') for name in line.split(layout.separator)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UnreadableFile(f"{path} names the columns {twice} more than once. Give each column its own name.")
    return names


def read_batches(path: Path, needed: Sequence[str], layout: TextLayout) -> Iterator[pl.DataFrame]:
    """Batches of these columns, of a text file as text and of Parquet as stored, in the file's order.

    Each has `row` (0-based, Int64) and RAGGED beside the columns. Bytes that are no UTF-8 are replaced, so
    that they cost their row at most.

    Raises:
        MissingColumn: a column is missing; names the nearest that is present.
        UnreadableFile: the file is empty, truncated or not of its format.
    """
    present = columns_of(path, layout)
    require_columns(present, tuple(needed), str(path))
    if is_parquet(path):
        yield from _batches(path, pl.scan_parquet(path).select(*needed, pl.lit(False).alias(RAGGED)))
    elif layout.quote is None:
        yield from _split_lines(path, present, list(needed), layout)
    else:
        yield from _batches(path, _scan_quoted(path, present, layout).select(*needed, RAGGED))


def read_lines(path: Path) -> Iterator[pl.DataFrame]:
    """Batches of a text file's lines: `line`, `row` (0-based).

    Raises:
        UnreadableFile: the file is empty or cannot be read.
    """
    first_line(path)
    scanned = pl.scan_csv(
        path,
        has_header=False,
        separator=_ENDED_LINE,
        quote_char=None,
        schema={"line": pl.String},
        encoding="utf8-lossy",
        truncate_ragged_lines=True,
        empty_string_is_null=False,
        raise_if_empty=False,
    )
    yield from _batches(path, scanned)


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


def _split_lines(path: Path, present: list[str], needed: list[str], layout: TextLayout) -> Iterator[pl.DataFrame]:
    """Split lines at every separator, so that no quote swallows what follows it and each field is counted."""
    places = {name: f"field_{present.index(name)}" for name in needed}
    header = 0 if layout.columns else 1
    for lines in read_lines(path):
        line = pl.col("line").str.strip_chars_end("\r")
        fields = lines.filter(pl.col("row") >= header).select(
            line.str.split_exact(layout.separator, len(present) - 1).struct.unnest(),
            (line.str.count_matches(layout.separator, literal=True) != len(present) - 1).alias(RAGGED),
            pl.col("row") - header,
        )
        clean = [pl.col(place).str.strip_chars('" \t').alias(name) for name, place in places.items()]
        yield fields.select(*clean, RAGGED, "row")


def _scan_quoted(path: Path, present: list[str], layout: TextLayout) -> pl.LazyFrame:
    """With quotes, a row that is too long is told; one that is too short has empty fields at its end."""
    return pl.scan_csv(
        path,
        has_header=False,
        skip_lines=0 if layout.columns else 1,
        schema={**dict.fromkeys(present, pl.String), _EXTRA: pl.String},
        separator=layout.separator,
        quote_char=layout.quote,
        encoding="utf8-lossy",
        truncate_ragged_lines=True,
        missing_columns="insert",
        raise_if_empty=False,
    ).with_columns(pl.col(_EXTRA).is_not_null().alias(RAGGED))


def _batches(path: Path, lazy: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    row = 0
    try:
        size = BATCH_ROWS if is_parquet(path) else TEXT_BATCH_ROWS
        for batch in lazy.collect_batches(chunk_size=size, maintain_order=True):
            yield batch.with_columns(row=pl.int_range(row, row + batch.height, dtype=pl.Int64))
            row += batch.height
    except (pl.exceptions.PolarsError, OSError) as error:
        cause = str(error).split("\n", 1)[0]
        raise UnreadableFile(
            f"{path} cannot be read ({cause}). Fetch or write the file again; where a field holds a lone quote, "
            "a mapping with `quote: null` reads it."
        ) from error
