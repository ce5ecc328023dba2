"""The calls of a ledger's store as bytes: which there are and what goes in and out is read from the protocol.

A frame is its length in four bytes, then MessagePack: `[method, arguments]`, answered by `[done, result or why not]`.
"""

from __future__ import annotations

import inspect
import socket
import struct
from collections.abc import Callable
from typing import Any, get_type_hints

import msgspec

from bidpilot.bidding.errors import LedgerUnavailable
from bidpilot.serving.ledger.store import LedgerStore

LONGEST = 1 << 26
"""Bytes of a frame."""

_LENGTH = struct.Struct(">I")
_PART = 1 << 16  # bytes that are read at once
_LOCAL = {"close"}  # what ends the caller's own side
_REQUEST = msgspec.msgpack.Decoder(tuple[str, msgspec.Raw])
_ANSWER = msgspec.msgpack.Decoder(tuple[bool, msgspec.Raw])
_ENCODER = msgspec.msgpack.Encoder()


class Call:
    """One method of the protocol: its arguments and its result by their annotations."""

    def __init__(self, function: Callable[..., Any]) -> None:
        hints = get_type_hints(function)
        self.name = function.__name__
        self._signature = inspect.signature(function)
        names = list(self._signature.parameters)[1:]
        self._count = len(names)
        self._arguments = msgspec.msgpack.Decoder(tuple[tuple(hints[name] for name in names)])  # type: ignore[misc]
        self._result: Any = msgspec.msgpack.Decoder(hints["return"])

    def request(self, arguments: tuple[Any, ...], named: dict[str, Any]) -> bytes:
        """The bytes that ask for it.

        Raises:
            LedgerUnavailable: an argument is beyond what can be told, such as an integer of more than 64 bits.
        """
        if named or len(arguments) != self._count:
            bound = self._signature.bind(None, *arguments, **named)
            bound.apply_defaults()
            arguments = bound.args[1:]
        try:
            return _ENCODER.encode((self.name, arguments))
        except (OverflowError, TypeError) as error:
            raise LedgerUnavailable(f"the ledger cannot be told {self.name}{arguments} ({error}).") from error

    def arguments(self, raw: msgspec.Raw) -> tuple[Any, ...]:
        """What is asked with, checked against the annotations."""
        found: tuple[Any, ...] = self._arguments.decode(raw)
        return found

    def result(self, payload: bytes) -> Any:
        """What the bytes of an answer say.

        Raises:
            LedgerUnavailable: they say why there is no result.
        """
        done, raw = _ANSWER.decode(payload)
        if not done:
            raise LedgerUnavailable(msgspec.msgpack.decode(raw, type=str))
        return self._result.decode(raw)


def answer(result: Any) -> bytes:
    """The bytes of a result."""
    return _ENCODER.encode((True, result))


def refusal(why: str) -> bytes:
    """The bytes that say why there is no result."""
    return _ENCODER.encode((False, why))


def asked(payload: bytes) -> tuple[Call, tuple[Any, ...]]:
    """The call and the arguments that the bytes of a request ask for.

    Raises:
        ValueError: they are no request, or of no method of the protocol.
    """
    name, raw = _REQUEST.decode(payload)  # msgspec's errors are ValueErrors
    call = CALLS.get(name)
    if call is None:
        raise ValueError(f"a ledger's store has no {name!r}")
    return call, call.arguments(raw)


def send(connection: socket.socket, payload: bytes) -> None:
    """Send a frame; raises OSError."""
    connection.sendall(_LENGTH.pack(len(payload)) + payload)


def receive(connection: socket.socket) -> bytes:
    """The next frame; raises OSError, of which the end of the connection is one.

    Questions and answers alternate, so that what has come is never more than one frame: mostly one read gets it.
    """
    found = _some(connection, _PART)
    while len(found) < _LENGTH.size:
        found += _some(connection, _PART)
    (length,) = _LENGTH.unpack_from(found)
    if length > LONGEST:
        raise ConnectionError(f"a frame of {length} bytes")
    missing = _LENGTH.size + length - len(found)
    parts = [found[_LENGTH.size :]]
    while missing > 0:
        parts.append(_some(connection, min(missing, 1 << 20)))
        missing -= len(parts[-1])
    if missing:
        raise ConnectionError("a second frame before the first was answered")
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _some(connection: socket.socket, most: int) -> bytes:
    part = connection.recv(most)
    if not part:
        raise ConnectionError("the other side has gone")
    return part


CALLS = {
    name: Call(member)
    for name, member in vars(LedgerStore).items()
    if inspect.isfunction(member) and not name.startswith("_") and name not in _LOCAL
}
"""What may be called from elsewhere, by name: nothing else can."""
