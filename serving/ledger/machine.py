"""The ledger of the machine: one process holds the store and serves it to the workers beside it, over a Unix socket.

Settlements of several workers that come in together share one commit, as those of one do.
"""

from __future__ import annotations

import os
import selectors
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
from bidpilot.serving.ledger.store import LedgerStore

SOCKET = "ledger.socket"
"""Of the state folder."""

PAUSE = 0.003
"""Seconds that a worker rests after asking: under load a question costs more than what is asked in it."""

_TOGETHER = ("win", "settle")  # calls with one batch, of which those of several workers become one; wins first
_TIMEOUT = 2.0  # seconds that a worker waits for an answer
_STUCK = struct.pack("ll", 1, 0)  # a timeval: a second after which a worker that takes no answer is let go
_LONGEST_PATH = 107  # bytes, of a Unix socket's address
_BACKLOG = 64

_Asked = tuple[socket.socket, Call, tuple[Any, ...]]


class MachineLedger:
    """Serves a store to the processes of its owner, from `start` to `stop`, in one thread.

    A thread for each worker, or one that takes and one that books, would split what came together into several commits
    and pay for waking each other: measured, a third of a bill's whole time.

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
        self._ready = selectors.DefaultSelector()
        self._wake, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)

    def start(self) -> None:
        """Answer from now on."""
        for one in (self._listener, self._woken):
            self._ready.register(one, selectors.EVENT_READ)
        self._thread.start()

    def stop(self) -> None:
        """Finish what is under way, end all connections, close the store."""
        self._path.unlink(missing_ok=True)
        self._wake.close()
        self._thread.join()
        for key in list(self._ready.get_map().values()):
            self._drop(key.fileobj)
        self._ready.close()
        self._store.close()

    def _run(self) -> None:
        going = True
        while going:
            asking: list[_Asked] = []
            try:
                going = self._turn(asking)
            except Exception:  # a fault of ours must not end the thread that all workers wait for
                LOGGER.exception("the ledger of the machine failed; the workers that asked are let go, and ask again")
                for connection, _, _ in asking:
                    self._drop(connection)

    def _turn(self, asking: list[_Asked]) -> bool:
        """Wait for what workers ask, and do it; False where this is to stop."""
        for key, _ in self._ready.select():
            if key.fileobj is self._woken:
                return False
            if key.fileobj is self._listener:
                self._accept()
            else:
                self._take(key.fileobj, asking)
        for name in _TOGETHER:
            self._batch(name, [(who, arguments[0]) for who, call, arguments in asking if call.name == name])
        for connection, call, arguments in asking:
            if call.name not in _TOGETHER:
                self._reply(connection, self._make(call, arguments))
        return True

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        for wait in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            connection.setsockopt(socket.SOL_SOCKET, wait, _STUCK)
        self._ready.register(connection, selectors.EVENT_READ)

    def _take(self, connection: Any, asking: list[_Asked]) -> None:
        """Hear what a worker asks; let it go where it has gone, or asks for what cannot be."""
        try:
            asking.append((connection, *asked(receive(connection))))
        except OSError:
            self._drop(connection)  # its leases run out by themselves
        except ValueError as error:
            LOGGER.warning("the ledger was asked for what it does not do (%s); the connection is closed", error)
            self._drop(connection)

    def _batch(self, name: str, batches: list[tuple[socket.socket, Sequence[Any]]]) -> None:
        """Book what all workers that wait have to book, in one commit."""
        if not batches:
            return
        try:
            booked = self._store.book(name, [item for _, batch in batches for item in batch])
        except LedgerUnavailable as error:
            for connection, _ in batches:
                self._reply(connection, refusal(str(error)))
            return
        at = 0
        for connection, batch in batches:
            own = booked[at : at + len(batch)]
            at += len(batch)
            self._reply(connection, refusal(self._store.failure) if None in own else answer(own))

    def _make(self, call: Call, arguments: tuple[Any, ...]) -> bytes:
        try:
            return answer(getattr(self._store, call.name)(*arguments))
        except LedgerUnavailable as error:
            return refusal(str(error))

    def _reply(self, connection: socket.socket, payload: bytes) -> None:
        """Send an answer, and let a worker go that does not take it."""
        try:
            send(connection, payload)
        except OSError:
            self._drop(connection)

    def _drop(self, connection: Any) -> None:
        with suppress(KeyError, ValueError):  # it was let go before
            self._ready.unregister(connection)
        connection.close()


class _Guarded:
    """The store, of which nothing but LedgerUnavailable comes, and which remembers why.

    What cannot be booked keeps nothing of other workers from it.
    """

    def __init__(self, store: LedgerStore) -> None:
        self._store, self.failure = store, ""

    def book(self, name: str, batch: Sequence[Any]) -> list[Any]:
        """As the store does; where it fails at one of them, each by itself, and None for those that fail."""
        try:
            return [*self._call(name, batch)]
        except _Fault:
            if len(batch) == 1:
                return [None]
            return [booked for item in batch for booked in self.book(name, [item])]

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
