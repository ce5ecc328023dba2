"""Files of the decision log as tables: read whole, written back whole. The one place here that loads Polars."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

from bidpilot.bidding.errors import UnreadableFile
from bidpilot.serving.durable import AS_USUAL, whole_file
from bidpilot.serving.privacy.keys import Key
from bidpilot.serving.privacy.seal import is_sealed, read_plain, write_sealed

if TYPE_CHECKING:
    import polars as pl


def read_frame(path: Path, key: Key | None) -> pl.DataFrame:
    """The rows of a file.

    Raises:
        UnreadableFile: it is no Parquet.
        WrongKey, SealBroken: it is encrypted with another key, or altered.
        OSError: it is not there.
    """
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    import polars as pl

    data = read_plain(path, key)
    try:
        return pl.read_parquet(io.BytesIO(data))
    except pl.exceptions.PolarsError as error:
        remedy = "Move it away, or name the folder of a decision log."
        raise UnreadableFile(f"{path} cannot be read ({error}). {remedy}") from error


def write_frame(path: Path, frame: pl.DataFrame, key: Key | None) -> None:
    """Put rows in a file's place, whole or not at all, encrypted where it was; its age stays, and no rows are no file.

    Raises:
        OSError: it cannot be written; the file is as it was.
    """
    if not frame.height:
        path.unlink()
        return
    found, plain = path.stat(), io.BytesIO()
    frame.write_parquet(plain)
    if is_sealed(path):
        assert key is not None  # it could be read
        write_sealed(path, plain.getvalue(), key)
    else:
        replace_file(path, plain.getvalue())
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def replace_file(path: Path, data: bytes) -> None:
    """Put bytes in a file's place, durably, whole or not at all; raises OSError."""
    with whole_file(path, mode=AS_USUAL) as file:
        file.write(data)
