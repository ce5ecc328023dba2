"""The ledger of the machine: one process holds the store and serves it to the workers beside it, over a Unix socket.

Settlements of several workers that come in together share one commit, as those of one do.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from bidpilot.bidding.errors import InvalidServing, LedgerUnavailable
from bidpilot.serving.guardrails import LOGGER
from bidpilot.serving.ledger.calls import CALLS, Call, answer, asked, receive, refusal, send
from bidpilot.serving.ledger.keeper import Keeper
from bidpilot.serving.ledger.store import Booked, LedgerStore, Settlement

SOCKET = "ledger.socket"
"""Of the state folder."""

_TIMEOUT = 2.0  # seconds that a worker waits for an answer
_STUCK = struct.pack("ll", 1, 0)  # a timeval: a second after which a worker that takes no answer is let go
_LONGEST_PATH = 107  # bytes, of a Unix socket's address
_BACKLOG = 64


class MachineLedger:
    """Serves a store to the processes of its owner, from `start` to `stop`.

    Args:
        store: whose file nobody else holds; this closes it.
        path: the socket; one that lies there is of a process that has ended, and is replaced.

    Raises:
        InvalidServing: the path is too long for a socket.
        LedgerUnavailable: no socket can be made there.
    """

    def __init__(self, store: LedgerStore, path: Path) -> None:
        self._listener, self._path = _listener(path), path
        self._store = _Guarded(store)
        self._keeper = Keeper(self._store)
        self._connections: set[socket.socket] = set()

    def start(self) -> None:
        """Answer from now on, in threads."""
        self._keeper.start()
        threading.Thread(target=self._accept, name="ledger-door", daemon=True).start()

    def stop(self) -> None:
        """Finish what is under way, end all connections, close the store."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes who waits at it
        self._listener.close()
        self._path.unlink(missing_ok=True)
        self._keeper.stop()
        for connection in list(self._connections):
            _end(connection)
        self._store.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return  # stopped
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _STUCK)
            self._connections.add(connection)
            threading.Thread(target=self._converse, args=(connection,), name="ledger-worker", daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        try:
            while True:
                self._do(*asked(receive(connection)), connection)
        except OSError:
            pass  # the worker has gone; its leases run out by themselves
        except ValueError as error:
            LOGGER.warning("the ledger was asked for what it does not do (%s); the connection is closed", error)
        finally:
            self._connections.discard(connection)
            _end(connection)
            connection.close()

    def _do(self, call: Call, arguments: tuple[Any, ...], connection: socket.socket) -> None:
        """Queue a call; its answer is sent by the keeper's thread."""
        if call.name == "settle":
            self._settle(arguments[0], connection)
            return

        def make(store: LedgerStore) -> bytes:
            try:
                return answer(getattr(store, call.name)(*arguments))
            except LedgerUnavailable as error:
                return refusal(str(error))

        self._keeper.run(make, lambda made: _reply(connection, made or refusal(self._store.failure)))

    def _settle(self, batch: Sequence[Settlement], connection: socket.socket) -> None:
        """Queue each settlement, so that those of other workers are committed with them."""
        outcomes: list[Booked | None] = []

        def done(outcome: Booked | None) -> None:
            outcomes.append(outcome)
            if len(outcomes) == len(batch):
                _reply(connection, refusal(self._store.failure) if None in outcomes else answer(outcomes))

        for item in batch:
            self._keeper.settle(item, done)
        if not batch:
            _reply(connection, answer(outcomes))


class _Guarded:
    """The store, of which nothing but LedgerUnavailable comes, and which remembers why.

    A settlement that cannot be booked keeps no other worker's from it.
    """

    def __init__(self, store: LedgerStore) -> None:
        self._store, self.shared, self.failure = store, store.shared, "the ledger did not answer"

    def settle(self, batch: Sequence[Settlement]) -> list[Any]:
        """As the store does; where it fails at one of them, each by itself, and None for those that fail."""
        try:
            return [*self._call("settle", batch)]
        except _Fault:
            if len(batch) == 1:
                return [None]
            return [booked for item in batch for booked in self.settle([item])]

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: self._call(name, *arguments)

    def _call(self, name: str, *arguments: Any) -> Any:
        try:
            return getattr(self._store, name)(*arguments)
        except LedgerUnavailable as error:
            self.failure = str(error)
            raise
        except Exception as error:  # a fault of ours must not end the thread that all workers wait for
            LOGGER.exception("the ledger of the machine failed at %s", name)
            self.failure = f"the ledger failed at {name} ({type(error).__name__}: {error}): nothing was booked."
            raise _Fault(self.failure) from error


class _Fault(LedgerUnavailable):  # told to workers as LedgerUnavailable
    """Raised when the store raises what no store should."""


class MachineStore:
    """A worker's side: the store's calls, made in the process that holds it.

    Which calls there are is the protocol's affair (`calls.CALLS`). After a failure the next call connects anew.

    Raises:
        LedgerUnavailable: the process does not answer.
    """

    shared = True

    def __init__(self, path: Path, timeout: float = _TIMEOUT) -> None:
        self._path, self._timeout = path, timeout
        self._connection: socket.socket | None = None

    def __getattr__(self, name: str) -> Any:
        call = CALLS.get(name)
        if call is None:
            raise AttributeError(name)

        def ask(*arguments: Any, **named: Any) -> Any:
            return self._ask(call, arguments, named)

        return ask

    def close(self) -> None:
        """End the connection; the store stays with the process that holds it."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _ask(self, call: Call, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        payload = call.request(arguments, named)
        try:
            if self._connection is None:
                self._connection = self._connect()
            send(self._connection, payload)
            answered = receive(self._connection)
        except OSError as error:
            self.close()  # a late answer must not be taken for the next call's
            raise LedgerUnavailable(
                f"the ledger of this machine does not answer ({type(error).__name__}: {error}). Bidding goes on while "
                "leases last; notices are refused and must be sent again. See whether `bidpilot serve` still runs."
            ) from error
        return call.result(answered)

    def _connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(self._timeout)
        try:
            connection.connect(str(self._path))
        except OSError:
            connection.close()
            raise
        return connection


def _listener(path: Path) -> socket.socket:
    """A socket that only its owner may connect to."""
    if len(os.fsencode(path)) > _LONGEST_PATH:
        raise InvalidServing(f"{path} is too long for a socket ({_LONGEST_PATH} bytes). Give a shorter --state folder.")
    listener = socket.socket(socket.AF_UNIX)
    try:
        path.unlink(missing_ok=True)
        listener.bind(str(path))
        path.chmod(0o600)  # before it listens: until then nobody can connect
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise LedgerUnavailable(f"the ledger cannot listen on {path} ({error}). Give another --state.") from error
    return listener


def _reply(connection: socket.socket, payload: bytes) -> None:
    """Send an answer, and let a worker go that does not take it."""
    try:
        send(connection, payload)
    except OSError:
        _end(connection)


def _end(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
