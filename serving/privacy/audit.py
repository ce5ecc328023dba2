"""The audit log: one line of JSON for each action of an operator. Each line holds the hash of the one before.

A line that is altered, removed or put in between is seen (`verify`). Lines cut off the end are seen by who has noted
the head, the hash of the last line, elsewhere. Whoever may write the file can make a whole new one: a hash is no
signature, so heads are to be kept where operators cannot write.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import msgspec

from bidpilot.bidding.errors import AuditBroken
from bidpilot.serving.calendar import Clock
from bidpilot.serving.durable import sync
from bidpilot.serving.ledger.keeper import Deliver, at_once
from bidpilot.serving.writer import Writer

FILE = "audit.jsonl"
"""Of the state folder."""
FIRST = "0" * 64
"""What the first line holds in place of a hash."""
PRUNED = "audit pruned"
"""What a line tells that says how many lines before are gone by age."""
_BLOCK = 4096  # bytes read at once from the end


class Action(NamedTuple):
    """What somebody did."""

    at: float  # seconds since 1970
    who: str  # name of the token
    role: str
    peer: str  # address it came from
    what: str  # method and path
    status: int  # of the answer; 0 where none was given
    before: Any = None  # of what is changed, JSON; never a request's body
    after: Any = None


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of the file."""

    seq: int  # from 0 on
    at: float  # seconds since 1970
    who: str
    role: str
    peer: str
    what: str
    status: int
    before: Any
    after: Any
    prev: str  # SHA-256 of the line before, hex
    torn: int = 0  # bytes of a line before that a kill has left unfinished, which are cut off


class Verified(NamedTuple):
    """A file whose lines belong together."""

    lines: int
    first: int  # number of the first line: those before are gone by age
    head: str  # SHA-256 of the last line, hex


def digest(line: bytes) -> str:
    """What the next line holds of a line (without its end)."""
    return hashlib.sha256(line).hexdigest()


def append(path: Path, action: Action) -> None:
    """Write one line, so that it is on disk when this returns. Several processes may write one file.

    Raises:
        OSError: it cannot be written; the file is as it was.
    """
    with locked(path) as file:
        size, last = _last(file)
        torn = file.seek(0, os.SEEK_END) - size
        line = Line(_number(last) + 1, *action, prev=FIRST if last is None else digest(last), torn=torn)
        file.truncate(size)
        write(file, size, msgspec.json.encode(line) + b"\n")


def write(file: IO[bytes], size: int, data: bytes) -> None:
    """Add to a file of `size` bytes, durably, all or nothing; raises OSError."""
    try:
        file.seek(size)
        left = memoryview(data)
        while left:
            left = left[file.write(left) :]
        os.fsync(file.fileno())
    except OSError:
        file.truncate(size)
        raise


@contextmanager
def locked(path: Path) -> Iterator[IO[bytes]]:
    """The file, made where missing, which no other process of ours writes meanwhile; its owner alone may read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        new = not path.exists()
        with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if os.fstat(file.fileno()).st_ino != _inode(path):
                continue  # it was replaced while we waited
            if new:
                sync(path.parent)
            yield file
            return


def read(path: Path) -> Iterator[tuple[bytes, Line]]:
    """The lines of a file, each as it stands and as it reads.

    Raises:
        AuditBroken: one cannot be read, the file is not there, or its last line has no end.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise AuditBroken(f"{path} cannot be read ({error}). Name a server's --state folder.") from error
    *lines, rest = data.split(b"\n")
    for number, text in enumerate(lines, 1):
        try:
            yield text, msgspec.json.decode(text, type=Line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise AuditBroken(f"{path}, line {number}: {error}. {_ALTERED}") from error
    if rest:
        raise AuditBroken(
            f"{path}, line {len(lines) + 1} ends in its middle, as a kill leaves it while it is written. The server's "
            "next line cuts it off and says so."
        )


_ALTERED = "It was altered: compare the file with a backup, and look who may write it."


def verify(path: Path, head: str | None = None) -> Verified:
    """Hold every line against the one before.

    Args:
        path: the file.
        head: hash of a line that was the last one some time, as `Verified.head` told it; None: not known.

    Raises:
        AuditBroken: a line was altered, removed or put in between, or the line of `head` is not there.
    """
    expected, number, first, lines, found = FIRST, 0, 0, 0, head in (None, FIRST)
    began: str = FIRST
    pruned: list[Any] = []
    for lines, (text, line) in enumerate(read(path), 1):
        if lines == 1:
            first = number = line.seq
            began = expected = line.prev
        if line.seq != number or line.prev != expected:
            raise AuditBroken(
                f"{path}, line {lines}: it is number {line.seq} and follows {line.prev[:12]}..., where number {number} "
                f"was to follow {expected[:12]}.... A line was altered, removed or put in between. {_ALTERED}"
            )
        if line.what == PRUNED and isinstance(line.after, dict):
            pruned.append((line.after.get("first"), line.after.get("prev")))
        number, expected = number + 1, digest(text)
        found = found or expected == head
    if (first, began) != (0, FIRST) and (first, began) not in pruned:
        raise AuditBroken(
            f"{path} begins with number {first}, and no line says that those before are pruned. {_ALTERED}"
        )
    if not found:
        raise AuditBroken(
            f"{path} has no line of the hash {head}: lines were cut off its end, or it is gone by age. {_ALTERED}"
        )
    return Verified(lines, first, expected)


class AuditLog:
    """Writes actions to a file, each again until it succeeds. Nobody who acts waits for a disk.

    Until `start` a write is made before `tell` returns.

    Args:
        path: the file.
        clock: seconds since 1970.
    """

    def __init__(self, path: Path, clock: Clock = time.time) -> None:
        self.path, self.clock = path, clock
        self.on_failed: Callable[[str], None] = lambda why: None
        self._count = 0
        self._deliver: Deliver = at_once
        self._writer = Writer(lambda why: self.on_failed(why))

    @property
    def pending(self) -> int:
        """Actions that are not on disk yet."""
        return self._writer.pending

    def start(self, deliver: Deliver) -> None:
        """Let a thread write from now on; `deliver` brings news to the caller's thread."""
        self._deliver = deliver
        self._writer = Writer(lambda why: self.on_failed(why), deliver)
        self._writer.start()

    def tell(self, action: Action, done: Callable[[], None] = lambda: None) -> None:
        """Write an action; `done` is called once it is durable."""
        self._count += 1

        def call() -> None:
            append(self.path, action)
            self._deliver([done])

        self._writer.submit(self._count, call)

    def close(self) -> None:
        """Try once more to write what waits."""
        self._writer.stop()


def _last(file: IO[bytes]) -> tuple[int, bytes | None]:
    """Bytes of a file up to the end of its last whole line, and that line; None where it has none."""
    end, tail = file.seek(0, os.SEEK_END), b""
    while True:
        whole = tail.rfind(b"\n") + 1
        begin = tail.rfind(b"\n", 0, whole - 1) + 1 if whole else 0
        if begin or end == 0:
            return end + whole, tail[begin : whole - 1] if whole else None
        size = min(_BLOCK, end)
        end -= size
        file.seek(end)
        tail = file.read(size) + tail


def _number(last: bytes | None) -> int:
    """The number of a line; -1 where there is none, or it cannot be read, which is seen when it is verified."""
    try:
        return -1 if last is None else msgspec.json.decode(last, type=Line).seq
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return -1


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return -1
