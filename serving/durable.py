"""Files that are there whole or not at all: written beside their place, made durable, and only then put into it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

OWNER_ALONE, AS_USUAL = 0o600, 0o666  # who may read a file; the second less what the process masks


@contextmanager
def whole_file(
    path: Path, part: Path | None = None, mode: int = OWNER_ALONE, durable: bool = True
) -> Iterator[BinaryIO]:
    """A file to write that takes the place of another when it is left, unless something is raised before.

    Args:
        part: where it is written meanwhile; None: beside it, with `.part` for its suffix.
        mode: who may read it.
        durable: whether it is on disk by then.

    Raises:
        OSError: it cannot be written; what was there before is.
    """
    part = path.with_suffix(".part") if part is None else part
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Make a file durable, or the names of a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
