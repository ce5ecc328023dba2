"""What a bid server was told of won exposures, from the `outcomes-*.parquet` beside its decisions."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import polars as pl

from bidpilot.bidding.errors import UnreadableFile
from bidpilot.bidding.event import EVENTS, MOST_EVENTS
from bidpilot.envs.logs.headers import require_columns

Plain = Callable[[Path], bytes]
"""Gives the bytes of a file as they were before it was encrypted; raises OSError."""
SEALED_MAGIC = b"bidpilot-sealed"
"""What an encrypted file begins with."""


def as_it_is(path: Path) -> bytes:
    """The bytes of a file that is not encrypted.

    Raises:
        UnreadableFile: it is.
        OSError: it cannot be read.
    """
    data = path.read_bytes()
    if data.startswith(SEALED_MAGIC):
        raise UnreadableFile(f"{path} is encrypted. Give the server's --key-file.")
    return data


_NEEDED: Final = ("key", "event", "count")
OUTCOMES: Final = pl.Schema(
    {
        "key": pl.String,  # of the bid
        "event": pl.String,  # null: untyped totals
        "count": pl.Int64,
        "value": pl.Float64,  # what one conversion was worth, currency; null: not told
        "interaction": pl.Float64,  # interactions that it counts for
        "conversion": pl.Float64,  # conversions that it counts for
    }
)
"""The columns that outcomes are read as."""


def read_outcomes(folders: Iterable[Path], plain: Plain = as_it_is) -> pl.DataFrame:
    """What was told, in the columns of `OUTCOMES`. Each type counts once for a bid, the first time it was told.

    Files of a server that told no types apart hold untyped totals alone; columns that a file lacks are null.

    Args:
        folders: where decision logs lie.
        plain: gives the bytes of a file, decrypted where it is encrypted.

    Raises:
        UnreadableFile, MissingColumn: a file of outcomes was altered.
    """
    parts = [pl.DataFrame(schema=OUTCOMES)]
    for path in (found for folder in folders for found in sorted(folder.glob("outcomes-*.parquet"))):
        told = _read(path, plain)
        odd = told.filter(pl.col("event").is_not_null()).filter(
            ~(pl.col("event").is_in(EVENTS) & pl.col("count").is_between(1, MOST_EVENTS)).fill_null(False)
        )
        if odd.height:
            raise UnreadableFile(
                f"{path} tells {odd['count'][0]} events {odd['event'][0]!r}. Import the files that a bid server wrote."
            )
        parts.append(told)
    return pl.concat(parts).unique(("key", "event"), keep="first", maintain_order=True)


def _read(path: Path, plain: Plain) -> pl.DataFrame:
    try:
        data = plain(path)
        present = list(pl.read_parquet_schema(io.BytesIO(data)))
        if "event" in present:
            require_columns(present, _NEEDED, str(path))
        told = pl.read_parquet(io.BytesIO(data), columns=[name for name in OUTCOMES if name in present])
        lacking = [pl.lit(None).alias(name) for name in OUTCOMES if name not in present]
        return told.with_columns(lacking).select(*OUTCOMES).cast(OUTCOMES)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise UnreadableFile(f"{path} cannot be read ({error}). Import the files that a bid server wrote.") from error
