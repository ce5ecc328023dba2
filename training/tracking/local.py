"""The local store made ready: opened by one process at a time, its files found where it lies, dead runs marked.

MLflow writes the address of every artifact in full. A project folder that was renamed, copied or mounted elsewhere
would send readers, and the next run's files, to where it used to be: the addresses are brought up to date when the
store is opened. A run is alive while its process holds a lock on the run's file under `running/`; the lock goes with
the process, however it ended.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

from filelock import FileLock, Timeout

from bidpilot.bidding.errors import TrackingError

DATABASE = "mlflow.db"
ARTIFACTS = "artifacts"
_LOCK = "store.lock"
_RUNNING = "running"
_OPENING_S = 120.0  # making a database takes two seconds; a dozen processes may wait for each other
_ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
)
"""Where the database holds addresses of files."""


@contextmanager
def opening(folder: Path) -> Iterator[None]:
    """Hold the store in `folder` for oneself, which MLflow's migrations of a fresh database need.

    Raises:
        OSError: another process holds it for two minutes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / _LOCK, timeout=_OPENING_S):
            yield
    except Timeout as error:
        raise OSError(
            f"another process has held {folder / _LOCK} for {_OPENING_S:.0f} s; end it and try again"
        ) from error


def relocate(folder: Path) -> int:
    """Bring addresses of a store that was moved or copied to `folder` up to date; how many were changed.

    What lies elsewhere by choice, an experiment on a bucket say, stays as it is.
    """
    database = folder / DATABASE
    if not database.exists():
        return 0
    with closing(sqlite3.connect(database)) as connection, connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if "experiments" not in tables:
            return 0
        locations = [where for (where,) in connection.execute("SELECT artifact_location FROM experiments")]
        changed = 0
        for old in {place for where in locations if (place := _store_of(where)) not in (None, folder)}:
            for before, after in ((old.as_uri(), folder.as_uri()), (str(old), str(folder))):
                for table, column in _ADDRESSES:
                    if table in tables:
                        changed += connection.execute(
                            f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",
                            (after, len(before) + 1, len(before) + 1, f"{before}/"),
                        ).rowcount
        return changed


def local_path(address: str) -> Path | None:
    """The path that an artifact's address stands for; None where it is not on this machine's disks."""
    parts = urlsplit(address)
    return Path(unquote(parts.path)) if parts.scheme in ("", "file") else None


def _store_of(location: str | None) -> Path | None:
    """The `mlruns` folder whose own artifacts lie at `location`; None where it is no such address."""
    path = local_path(location or "")
    return path.parent if path is not None and path.name == ARTIFACTS and path.is_absolute() else None


@contextmanager
def alive(folder: Path, run_id: str) -> Iterator[None]:
    """Show that a run's process lives, for as long as the block lasts."""
    path = folder / _RUNNING / f"{run_id}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, timeout=0)
    with opening(folder):  # so that nobody finds the file without its lock
        try:
            lock.acquire()
        except Timeout as error:
            raise TrackingError(
                f"run {run_id} is being written by another process. Let it end, or resume another run."
            ) from error
    try:
        yield
    finally:
        with opening(folder):
            path.unlink(missing_ok=True)
            lock.release()


@contextmanager
def ended(folder: Path) -> Iterator[list[str]]:
    """Ids of runs whose process has gone without ending them; forgotten when the block ends well."""
    with opening(folder), ExitStack() as locks:
        found = []
        for path in sorted((folder / _RUNNING).glob("*.lock")):
            with suppress(Timeout):
                locks.enter_context(FileLock(path, timeout=0))
                found.append(path)
        yield [path.stem for path in found]
        for path in found:
            path.unlink(missing_ok=True)
