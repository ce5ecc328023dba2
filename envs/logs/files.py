"""Finding and reading the files that an importer is given, batch by batch."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import polars as pl

from bidpilot.bidding.errors import NoFilesMatched, UnknownFormat, UnreadableFile
from bidpilot.envs.logs.headers import check_header, header_names, require_columns
from bidpilot.envs.logs.plain import PACKED, UTF8, first_line, plain_text, refuse_undecodable

ENDINGS = (".csv", ".parquet", ".txt", ".tsv", ".log")
BATCH_ROWS = 1 << 19
TEXT_BATCH_ROWS = 1 << 16  # lines are long, and Polars holds several batches at a time
RAGGED = "__ragged"
"""Column of a batch: True where the row has another number of fields than the header."""
_EXTRA = "__extra"
_ENDED_LINE = "\x1f"  # no text holds it, so that a line stays one field
_REPLACED = "\ufffd"  # what stands where a byte could not be decoded


@dataclass(frozen=True)
class TextLayout:
    """How a text file is laid out; Parquet needs no layout."""

    separator: str = ","
    quote: str | None = None  # None: quotes are stripped from around a field, and separate nothing
    columns: tuple[str, ...] = ()  # names where the file has no header line
    encoding: str = UTF8  # of files without a mark of their own


def find_files(files: Iterable[str | Path], pattern: str = "*") -> list[Path]:
    """The files that the paths, patterns and folders name, each once, in the order given.

    Args:
        files: a folder stands for all files in it, at any depth, that can be read and whose name fits `pattern`,
            by name; hidden ones and those that begin with `_` are left out.
        pattern: what names of files in a folder are like.

    Raises:
        NoFilesMatched: nothing was named, or a path, pattern or folder matches no file.
        UnknownFormat: a file that was named ends in none of ENDINGS.
    """
    found: dict[Path, None] = {}
    for file in files:
        # A path that exists is taken by its name, even where its name has the marks of a pattern.
        matches = [Path(file)] if Path(file).exists() else [Path(match) for match in sorted(glob.glob(str(file)))]
        inside = [path for match in matches for path in (_inside(match, pattern) if match.is_dir() else [match])]
        if not inside:
            raise NoFilesMatched(f"{file} matches no file. Check the path, or the pattern and its quotes.")
        found.update(dict.fromkeys(inside))
    if not found:
        raise NoFilesMatched("No file was named. Name at least one file.")
    for path in found:
        if not _readable(path):
            raise UnknownFormat(
                f"{path} ends in {path.suffix or 'nothing'!r}; files in {' '.join(ENDINGS)} can be read, text also "
                f"packed as {' '.join(PACKED)}. Unpack or convert the file, or correct its ending."
            )
    return list(found)


def _inside(folder: Path, pattern: str) -> list[Path]:
    """The files of a folder that can be read."""
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and _readable(path)
        and fnmatch(path.name, pattern)
        and not any(part.startswith((".", "_")) for part in path.relative_to(folder).parts)
    ]


def _readable(path: Path) -> bool:
    if path.suffix.lower() in PACKED:
        return path.with_suffix("").suffix.lower() in (ending for ending in ENDINGS if ending != ".parquet")
    return path.suffix.lower() in ENDINGS


def is_parquet(path: Path) -> bool:
    """Whether a file is Parquet, by its ending."""
    return path.suffix.lower() == ".parquet"


def columns_of(path: Path, layout: TextLayout, needed: Sequence[str] = ()) -> list[str]:
    """The names of a file's columns.

    Args:
        path: the file.
        layout: how it is laid out.
        needed: names that must be among them.

    Raises:
        UnreadableFile: the file is empty or not of its format, or a name is repeated.
        UndecodableText: its first line is not in its encoding.
        MissingHeader: its first line looks like a row of data.
        MissingColumn: a needed column is missing; names the nearest that is present.
    """
    if is_parquet(path):
        try:
            names = pl.scan_parquet(path).collect_schema().names()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise UnreadableFile(f"{path} cannot be read ({error}). Fetch or write the file again.") from error
        require_columns(names, tuple(needed), str(path))
        return names
    line = first_line(path, layout.encoding)
    if layout.columns:
        require_columns(list(layout.columns), tuple(needed), "The list of columns in the mapping")
        return list(layout.columns)
    return check_header(path, header_names(line, layout.separator, layout.quote), needed, line, layout.separator)


def read_batches(path: Path, needed: Sequence[str], layout: TextLayout) -> Iterator[pl.DataFrame]:
    """Batches of these columns, of a text file as text and of Parquet as stored, in the file's order.

    Each has `row` (0-based, Int64) and RAGGED beside the columns. What cannot be decoded in a column that is not
    needed does no harm.

    Raises:
        MissingHeader, MissingColumn: see `columns_of`.
        UndecodableText: a needed column holds a byte that is not in the file's encoding.
        UnreadableFile: the file is empty, truncated or not of its format.
    """
    present = columns_of(path, layout, needed)
    if is_parquet(path):
        yield from _batches(path, pl.scan_parquet(path).select(*needed, pl.lit(False).alias(RAGGED)), BATCH_ROWS)
        return
    with plain_text(path, layout.encoding) as plain:
        if layout.quote is None:
            batches = _split_lines(path, plain, present, list(needed), layout)
        else:
            scanned = _scan_quoted(plain, present, layout).select(*needed, RAGGED)
            batches = _batches(path, scanned, TEXT_BATCH_ROWS)
        checked = False
        for batch in batches:
            if not checked and any(batch[name].str.contains(_REPLACED, literal=True).any() for name in needed):
                refuse_undecodable(path, plain)
                checked = True  # the mark is a character of the text itself
            yield batch


def read_lines(path: Path, encoding: str = UTF8) -> Iterator[pl.DataFrame]:
    """Batches of a text file's lines: `line`, `row` (0-based).

    Raises:
        UnreadableFile: the file is empty or cannot be read.
        UndecodableText: the file is not in its encoding; where that is UTF-8, bytes are replaced instead.
    """
    first_line(path, encoding)
    with plain_text(path, encoding) as plain:
        yield from _lines(path, plain)


def _lines(path: Path, plain: Path) -> Iterator[pl.DataFrame]:
    scanned = pl.scan_csv(
        plain,
        has_header=False,
        separator=_ENDED_LINE,
        quote_char=None,
        schema={"line": pl.String},
        encoding="utf8-lossy",
        truncate_ragged_lines=True,
        empty_string_is_null=False,
        raise_if_empty=False,
    )
    yield from _batches(path, scanned, TEXT_BATCH_ROWS)


def _split_lines(
    path: Path, plain: Path, present: list[str], needed: list[str], layout: TextLayout
) -> Iterator[pl.DataFrame]:
    """Split lines at every separator, so that no quote swallows what follows it and each field is counted."""
    places = {name: f"field_{present.index(name)}" for name in needed}
    header = 0 if layout.columns else 1
    for lines in _lines(path, plain):
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


def _batches(path: Path, lazy: pl.LazyFrame, size: int) -> Iterator[pl.DataFrame]:
    row = 0
    try:
        for batch in lazy.collect_batches(chunk_size=size, maintain_order=True):
            yield batch.with_columns(row=pl.int_range(row, row + batch.height, dtype=pl.Int64))
            row += batch.height
    except (pl.exceptions.PolarsError, OSError) as error:
        # What Polars says of a text may repeat a part of it, which may be about a person.
        cause = f" ({str(error).splitlines()[0]})" if is_parquet(path) else ""
        raise UnreadableFile(
            f"{path} cannot be read{cause} after row {row}. Fetch or write the file again; where a field holds a lone "
            "quote, a mapping with `quote: null` reads it."
        ) from error
