"""Whether a server works on a state folder: servers hold a lock of it together, who needs it alone holds it alone."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bidpilot.bidding.errors import StateInUse

FILE = "state.lock"
"""Of the state folder."""
UNFINISHED = "restoring"
"""A file of the state folder while a restore is not finished."""


class Hold:
    """A share of a folder's lock; it ends with its process, or with whoever drops it, as a kill ends it."""

    def __init__(self, path: Path) -> None:
        self._file: int | None = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)

    def share(self) -> None:
        """Hold it beside others.

        Raises:
            BlockingIOError: somebody holds it alone.
        """
        assert self._file is not None
        fcntl.flock(self._file, fcntl.LOCK_SH | fcntl.LOCK_NB)

    def close(self) -> None:
        """Let it go."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def __enter__(self) -> Hold:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    __del__ = close


def hold(folder: Path) -> Hold:
    """Work on a folder beside others until what is returned is closed.

    Raises:
        StateInUse: somebody needs it alone.
        OSError: the lock cannot be made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    held = Hold(folder / FILE)
    try:
        held.share()
    except BlockingIOError as error:
        held.close()
        raise StateInUse(
            f"{folder} is being restored or encrypted anew. Start the server when that is done."
        ) from error
    if (folder / UNFINISHED).exists():
        held.close()
        raise StateInUse(f"the restore of {folder} was cut off: its money is not known. Run bidpilot restore again.")
    return held


@contextmanager
def alone(folder: Path, to: str) -> Iterator[None]:
    """Work on a folder that no server holds.

    Args:
        folder: the state folder.
        to: what for, in words.

    Raises:
        StateInUse: a server holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / FILE).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StateInUse(f"a server works on {folder}. Stop it to {to}.") from error
        yield


def served(folder: Path) -> bool:
    """Whether a server holds a folder now."""
    try:
        with (folder / FILE).open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
