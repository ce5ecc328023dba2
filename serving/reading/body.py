"""Compressed bodies: what comes in is inflated within bounds, what goes out is packed for who asks for it."""

from __future__ import annotations

import zlib

from bidpilot.serving.http import BodyRefused

_GZIP, _RAW = 31, -15  # window bits, as zlib wants them
_PADDING = b"\0\r\n \t"  # that some put behind it
_MOST_LAYERS = 2  # of encodings, one within the other
_MOST_MEMBERS = 16  # of one gzip body: each costs time, also where it holds nothing
_WORTH = 256  # bytes of an answer from which on it is packed


def inflate(raw: bytes, encoding: str | None, most: int) -> bytes:
    """A body by its `Content-Encoding`, of at most `most` bytes; no more than that is ever inflated.

    Raises:
        BodyRefused: 413 where it is larger, 415 where the encoding is none of them, 400 where it is damaged.
    """
    names = [entry.partition(";")[0].strip(' "') for entry in (encoding or "").lower().split(",")]
    packed_by = [name.removeprefix("x-") for name in names if name not in ("", "identity")]
    if len(packed_by) > _MOST_LAYERS or not {"gzip", "deflate"}.issuperset(packed_by):
        raise BodyRefused(415, "encoding_unknown")
    for name in reversed(packed_by):  # the last was applied last
        raw = _members(raw, most) if name == "gzip" else _inflated(raw, _window(raw), most)[0]
    return raw


def wants_gzip(accepts: str | None) -> bool:
    """Whether `Accept-Encoding` takes gzip."""
    if not accepts:
        return False
    told: dict[str, bool] = {}
    for entry in accepts.lower().split(","):
        name, _, weight = entry.partition(";")
        told[name.strip()] = weight.replace(" ", "").removeprefix("q=").rstrip("0") not in ("0.", "") or not weight
    return told.get("gzip", told.get("x-gzip", told.get("*", False)))


def packed(body: bytes) -> bytes | None:
    """The body as gzip; None where that is not worth it."""
    if len(body) < _WORTH:
        return None
    packing = zlib.compressobj(1, zlib.DEFLATED, _GZIP)
    return packing.compress(body) + packing.flush()


def _window(raw: bytes) -> int:
    """Window bits of a deflated body: it should come with zlib's header, and some send it bare."""
    has_header = len(raw) >= 2 and raw[0] & 0x0F == 8 and (raw[0] << 8 | raw[1]) % 31 == 0
    return zlib.MAX_WBITS if has_header else _RAW


def _members(raw: bytes, most: int) -> bytes:
    parts, size = [], 0
    for _ in range(_MOST_MEMBERS):
        part, raw = _inflated(raw, _GZIP, most - size)
        parts.append(part)
        size += len(part)
        if not raw.strip(_PADDING):
            return b"".join(parts)
    raise BodyRefused(400, "body_not_inflated")


def _inflated(raw: bytes, window: int, most: int) -> tuple[bytes, bytes]:
    """What was packed, and the bytes behind it."""
    inflating = zlib.decompressobj(window)
    try:
        body = inflating.decompress(raw, most + 1)
    except zlib.error as error:
        raise BodyRefused(400, "body_not_inflated") from error
    if len(body) > most:
        raise BodyRefused(413, "body_too_large")
    if not inflating.eof:
        raise BodyRefused(400, "body_not_inflated")
    return body, inflating.unused_data
