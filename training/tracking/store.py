"""Where runs are kept: a SQLite database under `mlruns/`, or the server that the user names."""

from __future__ import annotations

import logging
import os
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bidpilot.bidding.errors import TrackingError
from bidpilot.training.tracking.local import ARTIFACTS, DATABASE, opening, relocate

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

_FOLDER = "mlruns"
_ANSWER_S = 5.0  # a server that takes longer to accept a connection is away
_PORTS = {"http": 80, "https": 443}
# What MLflow reads when it is imported or when it connects; the user's own value wins.
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",  # a server that is down is known in seconds, not minutes
}


@dataclass(frozen=True)
class Store:
    """One tracking store.

    `folder` is the local `mlruns` folder, None where the user's `MLFLOW_TRACKING_URI` names the store.
    """

    uri: str
    folder: Path | None = None

    @classmethod
    def local(cls, folder: Path) -> Store:
        """The SQLite store in `folder`: `mlflow.db`, and the runs' files under `artifacts/`."""
        folder = folder.resolve()
        return cls(uri=f"sqlite:///{folder / DATABASE}", folder=folder)

    @property
    def served(self) -> bool:
        """Whether a server keeps it, which every machine writes to alike."""
        return urlsplit(self.uri).scheme in _PORTS

    @property
    def exists(self) -> bool:
        """False only where it is a local database that no run has been written to."""
        return self.folder is None or (self.folder / DATABASE).exists()

    @property
    def artifact_location(self) -> str | None:
        """Where a new experiment's files go; None lets the named server decide."""
        return None if self.folder is None else (self.folder / ARTIFACTS).as_uri()

    def client(self) -> MlflowClient:
        """The client of this store, made once per process; the first call creates the database.

        Raises:
            TrackingError: where the store cannot be opened.
        """
        with tracking_errors(self):
            return _client(self.uri, self.folder)

    def experiment_id(self, name: str) -> str:
        """The id of the experiment called `name`, created where it is missing."""
        client = self.client()
        with tracking_errors(self):
            found = client.get_experiment_by_name(name)
            if found is None:
                return client.create_experiment(name, artifact_location=self.artifact_location)
        if found.lifecycle_stage != "active":
            raise TrackingError(
                f"experiment {name!r} was deleted: restore it in the MLflow UI or choose another --experiment"
            )
        return str(found.experiment_id)


_IN: ContextVar[Store | None] = ContextVar("store", default=None)


@contextmanager
def in_store(store: Store) -> Iterator[Store]:
    """Whatever is tracked meanwhile goes to `store`, and is looked for there."""
    before = _IN.set(store)
    try:
        yield store
    finally:
        _IN.reset(before)


def current_store() -> Store:
    """The store that `in_store` or `MLFLOW_TRACKING_URI` names, else the project's `mlruns` folder.

    The project is the nearest folder, from the working directory up, whose `mlruns` already is bidpilot's
    (it holds the database or the committed `.gitkeep`); without one, the working directory itself.
    """
    inside = _IN.get()
    if inside is not None:
        return inside
    uri = os.environ.get("MLFLOW_TRACKING_URI", "").strip()
    if uri:
        return Store(uri=uri)
    here = Path.cwd()
    for folder in (here, *here.parents):
        if any((folder / _FOLDER / mark).exists() for mark in (DATABASE, ".gitkeep")):
            return Store.local(folder / _FOLDER)
    return Store.local(here / _FOLDER)


@contextmanager
def tracking_errors(store: Store) -> Iterator[None]:
    """Turn MLflow's and the database's failures into a TrackingError that names the store."""
    try:
        yield
    except TrackingError:
        raise
    except Exception as error:
        if not _is_tracking_failure(error):
            raise
        reason = " ".join(str(error).split())[:300]
        raise TrackingError(f"the tracking store {store.uri} failed ({reason}): {_remedy(store)}") from error


def _remedy(store: Store) -> str:
    if store.folder is None:
        return "check that it is reachable, or unset MLFLOW_TRACKING_URI to use mlruns/mlflow.db"
    return f"check that {store.folder} can be written to and that its disk has room"


def _is_tracking_failure(error: Exception) -> bool:
    from alembic.util import CommandError
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    return isinstance(error, (MlflowException, SQLAlchemyError, CommandError, sqlite3.Error, OSError))


def _reach(uri: str) -> None:
    """Refuse a server that is away, in seconds; MLflow itself would try for minutes.

    Raises:
        OSError: nothing accepts a connection there.
    """
    parts = urlsplit(uri)
    if parts.scheme in _PORTS and parts.hostname:
        socket.create_connection((parts.hostname, parts.port or _PORTS[parts.scheme]), timeout=_ANSWER_S).close()


@lru_cache(maxsize=8)
def _client(uri: str, folder: Path | None) -> MlflowClient:
    """Import mlflow, quietly, and connect; creating the database takes two seconds, for one process at a time."""
    _reach(uri)
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    # The first use reports every step of the database's creation; errors still come as exceptions.
    for logger in ("mlflow", "alembic"):
        logging.getLogger(logger).setLevel(logging.WARNING)
    from mlflow.tracking import MlflowClient

    logging.getLogger("mlflow").setLevel(logging.WARNING)  # importing mlflow configures it anew
    if folder is None:
        return _connected(MlflowClient, uri)
    with opening(folder):
        relocate(folder)
        return _connected(MlflowClient, uri)


def _connected(make: type[MlflowClient], uri: str) -> MlflowClient:
    """A client that has connected, so that a bad address fails before any work."""
    client = make(tracking_uri=uri)
    client.search_experiments(max_results=1)
    return client
