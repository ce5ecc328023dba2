"""What JSON may not hold here: NaN, numbers without an end, and nesting beyond 64; and where it is, as a path."""

from __future__ import annotations

import math
import re

MOST_DEPTH = 64
_TOKENS = 20_000  # that are looked at for a path: a longer way there is not told
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)
_STRING, _ESCAPED = re.compile(rb'"[^"]*"'), re.compile(rb"\\.", re.DOTALL)
_KEPT = b'{}[]"'
_DROPPED = bytes(set(range(256)) - set(_KEPT))


def too_deep(raw: bytes) -> bool:
    """Whether objects and lists are nested deeper than 64."""
    if raw.count(b"{") + raw.count(b"[") <= MOST_DEPTH:
        return False
    if b"\\" in raw:
        raw = _ESCAPED.sub(b"", raw)
    brackets = _STRING.sub(b"", raw.translate(None, _DROPPED)).replace(b"{", b"[").replace(b"}", b"]")
    depth = 0
    while brackets and depth <= MOST_DEPTH:  # each turn takes the innermost level away
        before, depth = len(brackets), depth + 1
        brackets = brackets.replace(b"[]", b"")
        if len(brackets) == before:  # they do not match, and the decoder says so unless they are too many
            return brackets.count(b"[") > MOST_DEPTH
    return depth > MOST_DEPTH


def offence(raw: bytes) -> str | None:
    """The first of these in a text, with its path, as `NaN - at `$.imp[0].bidfloor``; None where there is none."""
    path: list[str | int] = []
    is_key = False
    for count, match in enumerate(_TOKEN.finditer(raw)):
        token = match[0]
        if count > _TOKENS:
            return None
        if token in (b"{", b"["):
            if len(path) >= MOST_DEPTH:
                return _told(f"nested deeper than {MOST_DEPTH}", path)
            path.append("" if token == b"{" else 0)
            is_key = token == b"{"
        elif token in (b"}", b"]"):
            if path:
                path.pop()
            is_key = False
        elif token == b",":
            if path and isinstance(last := path[-1], int):
                path[-1] = last + 1
            is_key = bool(path) and isinstance(path[-1], str)
        elif token == b":":
            is_key = False
        elif is_key:
            if path:
                path[-1] = token.strip(b'"').decode(errors="replace")[:64]
        elif not token.startswith(b'"') and _endless(token):
            return _told(f"{token[:32].decode(errors='replace')} is no number of JSON", path)
    return None


def _endless(token: bytes) -> bool:
    try:
        return not math.isfinite(float(token))
    except ValueError:
        return False


def _told(what: str, path: list[str | int]) -> str:
    shown = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return f"{what} - at `${shown}`"
