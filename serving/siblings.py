"""Other workers of this machine: what one of them hears of another's bid is passed on to that one.

A notice comes by any connection, and so to any worker. Bills and wins are booked where they come, in the ledger that
all share; whoever made the bid then hears of them, as of losses and events: it frees the money at once, logs the
auction with its outcome, and counts the win where the request was counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from bidpilot.serving.notices import Kind, Ticket
from bidpilot.serving.told import Told

PREFIX = 8
"""Characters that the keys of one process's bids begin with."""

_EVERY = 0.1  # seconds from the first notice to when it is passed on, with all that have come since


class Passed(msgspec.Struct, array_like=True, frozen=True):
    """What a worker has heard of another's bid."""

    kind: Kind
    ticket: Ticket
    min_to_win: float | None = None  # currency per exposure
    amount: int = 0  # a bill's price, micro-units
    price_told: bool = False  # whether the bill told it
    paid: int = 0  # of the bill: what its lease has paid, micro-units
    until: float = 0.0  # a win's: when its money is free again, seconds since 1970
    told: Told | None = None  # an event's


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(list[Passed])


class Siblings:
    """Keeps what is to be passed on, and sends it every so often.

    Args:
        send: sends bytes to the worker whose bids begin with a prefix.
        later: has a call made after some seconds.
    """

    def __init__(
        self, send: Callable[[str, bytes], None], later: Callable[[float, Callable[[], None]], object]
    ) -> None:
        self._send, self._later = send, later
        self._prefixes: frozenset[str] = frozenset()
        self._waiting: dict[str, list[Passed]] = {}

    def know(self, prefixes: Iterable[str]) -> None:
        """Who there is besides this worker; what is kept for others is let go."""
        self._prefixes = frozenset(prefixes)
        self._waiting = {prefix: kept for prefix, kept in self._waiting.items() if prefix in self._prefixes}

    def have(self, ticket: Ticket) -> bool:
        """Whether another worker, which still runs, has made a bid."""
        return ticket.key[:PREFIX] in self._prefixes

    def pass_on(self, passed: Passed) -> bool:
        """Let whoever made the bid hear of it; False where that is none of them."""
        if not self.have(passed.ticket):
            return False
        if not self._waiting:
            self._later(_EVERY, self.flush)
        self._waiting.setdefault(passed.ticket.key[:PREFIX], []).append(passed)
        return True

    def flush(self) -> None:
        """Send what is kept."""
        waiting, self._waiting = self._waiting, {}
        for prefix, kept in waiting.items():
            self._send(prefix, _ENCODER.encode(kept))


def read(body: bytes) -> list[Passed]:
    """What another worker sends."""
    return _DECODER.decode(body)
