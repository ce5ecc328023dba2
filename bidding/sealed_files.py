"""Reads the files that a manifest lists, and no other: plain names, bounded, each held against its checksum.

A file is read once. What is parsed are the bytes whose checksum was looked at, whatever happens to the file meanwhile.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import stat
import zipfile
import zlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.errors import InvalidBundle

MOST_MANIFEST, MOST_FILE, MOST_ARRAYS = 1 << 22, 1 << 28, 1 << 29
"""Largest manifest, other file, and arrays of one file once they are unpacked, bytes."""
MOST_FILES = 64
_PLAIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}")
_COPY = "Copy the whole folder, or export it again."
_UNREADABLE = (OSError, EOFError, LookupError, ValueError, TypeError, AttributeError, RuntimeError, MemoryError)


def read_bytes(folder: Path, name: str, most: int) -> bytes:
    """A regular file of the folder.

    Raises:
        InvalidBundle: the name is no plain name of a file of the folder, a link leads out of the folder, or the file
            has more than `most` bytes.
    """
    if _PLAIN.fullmatch(name) is None:
        raise InvalidBundle(f"{folder} lacks the file {name!r}: that is no plain name of a file in it. {_COPY}")
    path = folder / name
    try:
        if not path.resolve().is_relative_to(folder.resolve()):
            raise InvalidBundle(f"{path} is a link that leads out of the bundle's folder. {_COPY}")
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe would wait for who writes into it
        with os.fdopen(handle, "rb") as file:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode):
                raise InvalidBundle(f"{folder} lacks the file {name!r}: it is no regular file. {_COPY}")
            data = file.read(most + 1) if found.st_size <= most else None
    except (OSError, RuntimeError) as error:  # RuntimeError: links that go round
        raise InvalidBundle(f"{folder} lacks the file {name!r} ({error}). {_COPY}") from error
    if data is None or len(data) > most:
        raise InvalidBundle(f"{path} has more than the {most} bytes that a bundle's file may have. Export it again.")
    return data


def read_listed(folder: Path, checksums: Mapping[str, str], keep: Collection[str]) -> dict[str, bytes]:
    """Hold every listed file against its checksum (SHA-256, hex); the bytes of those named in `keep`.

    Raises:
        InvalidBundle: a file is missing, not plain, too large or altered, or there are too many.
    """
    if len(checksums) > MOST_FILES:
        raise InvalidBundle(f"{folder}: the manifest lists {len(checksums)} files; at most {MOST_FILES} are read.")
    kept = {}
    for name, expected in checksums.items():
        data = read_bytes(folder, name, MOST_FILE)
        found = hashlib.sha256(data).hexdigest()
        if found != expected:
            raise InvalidBundle(
                f"{folder / name} has checksum {found[:12]}..., the manifest says {expected[:12]}...: it was altered "
                "or cut short. Copy the bundle again, or export it again."
            )
        if name in keep:
            kept[name] = data
    return kept


def read_object(text: bytes) -> dict[str, Any]:
    """A JSON object; ValueError where it is none, or names something twice."""
    try:
        found = json.loads(text, object_pairs_hook=_each_once)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("it is no JSON object")
    return found


def check_arrays(data: bytes) -> None:
    """Look at a zipped file of arrays before it is unpacked; ValueError where it holds a name twice, or too much."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            entries = file.infolist()
    except zipfile.BadZipFile as error:
        raise ValueError(str(error)) from error
    if len({entry.filename for entry in entries}) < len(entries):
        raise ValueError("it holds an array twice")
    size = sum(entry.file_size for entry in entries)
    if size > MOST_ARRAYS:
        raise ValueError(f"its arrays have {size} bytes; at most {MOST_ARRAYS} are unpacked")


def read_arrays(data: bytes) -> dict[str, NDArray[Any]]:
    """The arrays of a zipped file, by name, without pickle; ValueError where it is none."""
    check_arrays(data)
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (*_UNREADABLE, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(str(error) or type(error).__name__) from error


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("it names something twice")
    return found
