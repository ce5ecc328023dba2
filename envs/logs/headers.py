"""The names of a text file's columns, told from a first row of data, whose content no message repeats."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from bidpilot.bidding.errors import MissingColumn, MissingHeader, UnreadableFile

_DATA = re.compile(
    r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?%?"  # a number
    r"|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([T ].*)?"  # a date
    r"|\d{1,2}:\d{2}(:\d{2}.*)?"  # a time
    r"|[^@\s]+@[^@\s]+"  # an address
    r"|https?://.*"
)
_SEPARATORS = {",": "a comma", "\t": "a tab", ";": "a semicolon", "|": "a bar", " ": "a blank"}


def header_names(line: str, separator: str, quote: str | None) -> list[str]:
    """The fields of a header line, without quotes and blanks around them."""
    if quote is not None:
        fields = next(csv.reader([line], delimiter=separator, quotechar=quote), [""])
    else:
        fields = line.split(separator)
    return [field.strip().strip('"') for field in fields]


def check_header(path: Path, names: Sequence[str], needed: Sequence[str], line: str, separator: str) -> list[str]:
    """The names of a file's columns, each once; repeated ones that nobody needs are numbered.

    Raises:
        MissingHeader: the first line looks like a row of data.
        MissingColumn: a column is missing.
        UnreadableFile: a name that is needed is repeated.
    """
    missing = [name for name in needed if name not in names]
    if missing or not needed:
        if any(_DATA.fullmatch(name) for name in names):
            raise MissingHeader(
                f"The first line of {path} looks like a row of data: the file has no header line with the names of its "
                f"{len(names)} columns. Add one, or name the columns in the mapping (`columns: [...]`)."
            )
        if needed and len(missing) == len(set(needed)):
            raise MissingColumn(_explain_none(path, len(names), missing, line, separator))
        require_columns(list(names), tuple(needed), str(path))
    twice = sorted({name for name in names if list(names).count(name) > 1 and (name in needed or not needed)})
    if twice:
        raise UnreadableFile(f"{path} names the columns {twice} more than once. Give each column its own name.")
    return _numbered(names)


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
    raise MissingColumn(f"{where} lacks {', '.join(hints)}. Rename or add the columns; present: {', '.join(present)}.")


def _explain_none(path: Path, fields: int, missing: list[str], line: str, separator: str) -> str:
    """None of the names is there, so that the first line may be anything: it is described, not shown."""
    said = f"The first line of {path} names none of the columns {', '.join(missing)}: it has {fields} fields"
    other = max(_SEPARATORS, key=line.count)
    if fields == 1 and other != separator and line.count(other):
        return f"{said}, but {line.count(other) + 1} if {_SEPARATORS[other]} separates them. Give `separator`."
    return f"{said}. Add a header line, correct the names, or name the columns in the mapping (`columns: [...]`)."


def _numbered(names: Sequence[str]) -> list[str]:
    seen: dict[str, int] = {}
    out = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        out.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return out
