"""Whether a server works on a state folder: servers hold a lock of it together, who needs it alone holds it alone."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from bidpilot.bidding.errors import StateInUse

FILE = "state.lock"
"""Of the state folder."""
UNFINISHED = "restoring"
"""A file of the state folder while a restore is not finished."""


def hold(folder: Path) -> IO[str]:
    """Work on a folder beside others until the file that is returned is closed.

    Raises:
        StateInUse: somebody needs it alone.
        OSError: the lock cannot be made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = (folder / FILE).open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise StateInUse(
            f"{folder} is being restored or encrypted anew. Start the server when that is done."
        ) from error
    if (folder / UNFINISHED).exists():
        file.close()
        raise StateInUse(f"the restore of {folder} was cut off: its money is not known. Run bidpilot restore again.")
    return file


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
