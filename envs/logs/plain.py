"""Text files as Polars reads them: unpacked and in UTF-8, or an error that names the first byte that cannot be read."""

from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, cast

from bidpilot.bidding.errors import UndecodableText, UnreadableFile

UTF8 = "utf-8"
PACKED: dict[str, Callable[[Path], IO[bytes]]] = {
    ".gz": lambda path: cast(IO[bytes], gzip.GzipFile(path)),
    ".bz2": lambda path: cast(IO[bytes], bz2.BZ2File(path)),
    ".xz": lambda path: cast(IO[bytes], lzma.LZMAFile(path)),  # noqa: SIM115 (the caller closes it)
}
"""Endings of packed text, and what unpacks it."""
_CHUNK = 1 << 22  # bytes
_LINE = 1 << 20  # bytes: the longest first line
_MARKS = ((codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF8, UTF8))
_SHORT_MARKS = ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_FAULTS = (OSError, EOFError, zlib.error, lzma.LZMAError)


@dataclass(frozen=True)
class _Place:
    offset: int  # bytes from the start of the unpacked text, 0-based
    line: int  # 1-based


def check_encoding(name: str) -> str:
    """The usual name of an encoding of text.

    Raises:
        ValueError: Python knows no such encoding, or it is none of text.
    """
    try:
        found = codecs.lookup(name)
        "".encode(name)
    except LookupError as error:
        raise ValueError(f"{name!r} is no encoding of text; name one such as utf-8, gbk, latin-1, cp1252") from error
    return UTF8 if found.name in (UTF8, "utf-8-sig") else found.name


def first_line(path: Path, encoding: str = UTF8) -> str:
    """The first line of a text file, without its end.

    Raises:
        UnreadableFile: the file is empty or cannot be read.
        UndecodableText: the line is not in the encoding.
    """
    encoding = _encoding(path, encoding)
    with _opened(path) as file:
        head = file.read(_LINE)
    if not head:
        raise UnreadableFile(f"{path} is empty. Fetch or write the file again.")
    decoder = codecs.getincrementaldecoder(encoding)(errors="strict")
    line = ""
    # Only as far as the line goes: what follows is judged where it is read.
    for start in range(0, len(head), 256):
        part = head[start : start + 256]
        try:
            line += decoder.decode(part)
        except UnicodeDecodeError as error:
            line += part[: error.start].decode(encoding, errors="ignore")
            if "\n" not in line:
                raise _undecodable(path, encoding, find_undecodable(path, encoding)) from error
        if "\n" in line:
            break
    return line.split("\n", 1)[0].removeprefix("\ufeff").rstrip("\r")


@contextmanager
def plain_text(path: Path, encoding: str = UTF8) -> Iterator[Path]:
    """A file with the same text, not packed and in UTF-8: the file itself where it is so already.

    A copy lies in the folder for temporary files while the block runs. UTF-8 is not checked here.

    Raises:
        UnreadableFile: the file cannot be read or unpacked.
        UndecodableText: a byte is not in the encoding.
    """
    encoding = _encoding(path, encoding)
    if encoding == UTF8 and path.suffix.lower() not in PACKED:
        yield path
        return
    with TemporaryDirectory(prefix="bidpilot-text-") as folder:
        copy = Path(folder) / "text"
        decoder = codecs.getincrementaldecoder(encoding)(errors="strict")
        with copy.open("wb") as out, _opened(path) as file:
            for chunk in _chunks(file):
                if encoding == UTF8:
                    out.write(chunk)
                else:
                    out.write(_decoded(decoder, chunk, path, encoding))
            if encoding != UTF8:
                out.write(_decoded(decoder, b"", path, encoding, final=True))
        yield copy


def find_undecodable(path: Path, encoding: str = UTF8) -> _Place | None:
    """Where the first byte stands that is not in the encoding; None where all are."""
    decoder = codecs.getincrementaldecoder(encoding)(errors="strict")
    offset = line = 0
    with _opened(path) as file:
        while text := file.readline(_CHUNK):
            held = len(decoder.getstate()[0])
            try:
                decoder.decode(text)
            except UnicodeDecodeError as error:
                return _Place(offset - held + error.start, line + 1)
            offset += len(text)
            line += text.endswith(b"\n")
    held = len(decoder.getstate()[0])
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        return _Place(offset - held + error.start, line + 1)
    return None


def refuse_undecodable(path: Path, plain: Path) -> None:
    """Check that a file is UTF-8 throughout, once a replaced byte was met.

    Args:
        path: the file that was named.
        plain: its unpacked text, see `plain_text`.

    Raises:
        UndecodableText: it is not.
    """
    place = find_undecodable(plain)
    if place is not None:
        raise _undecodable(path, UTF8, place)


def _encoding(path: Path, declared: str) -> str:
    """The encoding that the file's mark says, or else the one declared."""
    with _opened(path) as file:
        head = file.read(4)
    return next((name for mark, name in (*_MARKS, *_SHORT_MARKS) if head.startswith(mark)), declared)


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    try:
        with PACKED.get(path.suffix.lower(), _as_it_is)(path) as file:
            yield file
    except _FAULTS as error:
        raise UnreadableFile(f"{path} cannot be read ({error}). Fetch or write the file again.") from error


def _as_it_is(path: Path) -> IO[bytes]:
    return path.open("rb")


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK):
        yield chunk


def _decoded(decoder: codecs.IncrementalDecoder, chunk: bytes, path: Path, encoding: str, final: bool = False) -> bytes:
    try:
        return decoder.decode(chunk, final).encode()
    except UnicodeDecodeError as error:
        raise _undecodable(path, encoding, find_undecodable(path, encoding)) from error


def _undecodable(path: Path, encoding: str, place: _Place | None) -> UndecodableText:
    where = f"byte {place.offset} (line {place.line})" if place else "a byte of it"
    return UndecodableText(
        f"{path} is not {encoding.upper()} text: {where} cannot be decoded, and names with replaced bytes would be "
        "taken for one another. Say the file's encoding in the mapping (`encoding: gbk`, `latin-1`, `cp1252`, ...), or "
        "convert the file to UTF-8."
    )
