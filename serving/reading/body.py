"""Compressed bodies: what comes in is inflated within bounds, what goes out is packed for who asks for it."""

from __future__ import annotations

import zlib

from bidpilot.serving.http import BodyRefused

_GZIP, _RAW = 31, -15  # window bits, as zlib wants them
_MOST_MEMBERS = 16  # of one gzip body: each costs time, also where it holds nothing
_WORTH = 256  # bytes of an answer from which on it is packed


def inflate(raw: bytes, encoding: str | None, most: int) -> bytes:
    """A body by its `Content-Encoding`, of at most `most` bytes; no more than that is ever inflated.

    Raises:
        BodyRefused: 413 where it is larger, 415 where the encoding is none of them, 400 where it is damaged.
    """
    name = (encoding or "").strip().lower()
    if name in ("", "identity"):
        return raw
    if name in ("gzip", "x-gzip"):
        return _members(raw, most)
    if name == "deflate":
        return _inflated(raw, zlib.MAX_WBITS if _has_header(raw) else _RAW, most)[0]
    raise BodyRefused(415, "encoding_unknown")


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


def _has_header(raw: bytes) -> bool:
    """Whether deflate comes with zlib's header, as it should; some send it bare."""
    return len(raw) >= 2 and raw[0] & 0x0F == 8 and (raw[0] << 8 | raw[1]) % 31 == 0


def _members(raw: bytes, most: int) -> bytes:
    parts, size = [], 0
    for _ in range(_MOST_MEMBERS):
        part, raw = _inflated(raw, _GZIP, most - size)
        parts.append(part)
        size += len(part)
        if not raw.strip(b"\0"):
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
