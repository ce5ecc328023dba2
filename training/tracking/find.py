"""Find runs again, and fetch their files."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from bidpilot.bidding.errors import AmbiguousRun, RunNotFound, TrackingError
from bidpilot.training.tracking.local import local_path
from bidpilot.training.tracking.names import TRAININGS
from bidpilot.training.tracking.store import Store, current_store, tracking_errors

if TYPE_CHECKING:
    from mlflow.entities import Run as MlflowRun

_SHOWN = 3  # ids named in an error
_CANDIDATES = 8  # runs named where a reference is that of several
_ID_PREFIX = re.compile(r"[0-9a-f]{1,32}")
_LOOKED_THROUGH = 1000  # runs, the latest first, where a tag alone does not tell the ones wanted


@dataclass(frozen=True)
class RunInfo:
    """What is stored of one run, apart from its files."""

    run_id: str
    name: str
    experiment_id: str
    status: str  # RUNNING, FINISHED, FAILED or KILLED
    params: Mapping[str, str]
    tags: Mapping[str, str]
    metrics: Mapping[str, float]  # the last value of each
    started: int  # milliseconds since 1970
    ended: int | None  # milliseconds since 1970; None while it runs

    @property
    def told(self) -> str:
        """As it is told apart from others: the beginning of its id, and its name."""
        return f"{self.run_id[:8]} ({self.name})"


def resolve_run(reference: str, kinds: Sequence[str] = TRAININGS, *, store: Store | None = None) -> RunInfo:
    """The run of one of these kinds that is meant by its id, the beginning of its id, or its name.

    An id goes before a name, and a name before the beginning of an id.

    Raises:
        RunNotFound: none is, naming the latest finished, or saying of what kind the run is.
        AmbiguousRun: several are; lists them, the latest first.
        TrackingError: where the store cannot be used.
    """
    store = store or current_store()
    if not store.exists:
        raise RunNotFound(f"run {reference!r} does not exist, nor any other in {store.folder}: train one first")
    others: list[RunInfo] = []
    for condition in _conditions(reference):
        found = _search(store, [condition], order="attributes.start_time DESC")
        meant = [run for run in found if run.tags.get("kind") in kinds]
        if len(meant) == 1:
            return meant[0]
        if meant:
            raise AmbiguousRun(
                f"{reference!r} may be any of {len(meant)} {kinds[0]} runs: {_listed(meant)}. Give more of an id."
            )
        others += found
    if others:
        other = others[0]
        raise RunNotFound(f"run {other.told} is of kind {other.tags.get('kind')}, not {kinds[0]}: {_played(other)}")
    raise RunNotFound(
        f"{kinds[0]} run {reference!r} does not exist in {store.uri}, as an id, the beginning of one, or a name: "
        f"{_alternatives(store, kinds[0])}"
    )


def _conditions(reference: str) -> list[str]:
    """What a reference may mean, as MLflow searches for it."""
    if not reference or any(mark in reference for mark in "'\"`"):
        return []
    name = f"attributes.run_name = '{reference}'"
    if not _ID_PREFIX.fullmatch(reference):
        return [name]
    return [f"attributes.run_id = '{reference}'", name, f"attributes.run_id LIKE '{reference}%'"]


def _listed(runs: Sequence[RunInfo]) -> str:
    """Runs with what tells them apart."""
    told = [
        f"{run.run_id[:12]} ({run.name}, {run.status.lower()}, "
        f"{datetime.fromtimestamp(run.started / 1000):%Y-%m-%d %H:%M})"
        for run in runs[:_CANDIDATES]
    ]
    return ", ".join(told) + (f" and {len(runs) - _CANDIDATES} more" if len(runs) > _CANDIDATES else "")


def _played(run: RunInfo) -> str:
    """What to name in place of a run of another kind."""
    source = run.tags.get("source_run", "none")
    return f"it played {source}" if source != "none" else "name another"


def find_run(run_id: str, *, store: Store | None = None) -> RunInfo:
    """The run with this id.

    Raises:
        RunNotFound: where there is none, naming the latest finished runs.
        TrackingError: where the store cannot be used.
    """
    store = store or current_store()
    if not store.exists:
        raise RunNotFound(f"run {run_id!r} does not exist, nor any other in {store.folder}: train one first")
    from mlflow.exceptions import MlflowException

    client = store.client()
    with tracking_errors(store):
        try:
            found = client.get_run(run_id)
        except MlflowException as error:
            if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "NOT_FOUND"):
                raise
            found = None
    if found is None or found.info.lifecycle_stage != "active":
        raise RunNotFound(f"run {run_id!r} does not exist in {store.uri}: {_alternatives(store, None)}")
    return _info(found)


def finished_runs(
    kind: str = "train",
    *,
    experiment: str | None = None,
    tags: Mapping[str, str] | None = None,
    store: Store | None = None,
) -> list[RunInfo]:
    """The runs of this kind with all of `tags` that finished, the last first.

    Raises:
        TrackingError: where the store cannot be used.
    """
    store = store or current_store()
    return _finished(store, {"kind": kind, **(tags or {})}, experiment, _LOOKED_THROUGH) if store.exists else []


def running(tags: Mapping[str, str], *, store: Store | None = None) -> list[RunInfo]:
    """The runs with all of `tags` that have not ended.

    Raises:
        TrackingError: where the store cannot be used.
    """
    store = store or current_store()
    return _found(store, "RUNNING", tags, None, _LOOKED_THROUGH) if store.exists else []


def latest_finished_run(
    kind: str = "train",
    *,
    experiment: str | None = None,
    tags: Mapping[str, str] | None = None,
    wanted: tuple[str, Callable[[RunInfo], bool]] = ("", lambda run: True),
    store: Store | None = None,
) -> RunInfo:
    """The run of this kind that finished last, among those with all of `tags` and that are `wanted`, as said in words.

    Raises:
        RunNotFound: where there is none.
        TrackingError: where the store cannot be used.
    """
    store = store or current_store()
    words, accepts = wanted
    latest = finished_runs(kind, experiment=experiment, tags=tags, store=store)
    found = next((run for run in latest if accepts(run)), None)
    if found is None:
        where = f" {words}" if words else ""
        where += f" with {', '.join(f'{k} = {v}' for k, v in tags.items())}" if tags else ""
        raise RunNotFound(
            f"no finished {kind} run{where} in {store.uri}: let `bidpilot {kind}` end, or give a run's id or name"
        )
    return found


def download(run_id: str, path: str, into: Path | None = None, *, store: Store | None = None) -> Path:
    """Copy the artifact (file or folder) `path` of a run into `into`, a new temporary folder where None.

    Raises:
        RunNotFound: where the run does not exist, or holds nothing under `path`.
        TrackingError: where the store cannot be used.
    """
    store = store or current_store()
    find_run(run_id, store=store)
    client = store.client()
    with tracking_errors(store):
        parent = path.rpartition("/")[0] or None
        if path not in {entry.path for entry in client.list_artifacts(run_id, parent)}:
            raise RunNotFound(f"run {run_id} holds no {path!r}: {_why_not(client.get_run(run_id), store)}")
        target = Path(tempfile.mkdtemp(prefix="bidpilot-")) if into is None else into
        target.mkdir(parents=True, exist_ok=True)
        return Path(client.download_artifacts(run_id, path, str(target)))


def _why_not(run: MlflowRun, store: Store) -> str:
    where = local_path(run.info.artifact_uri) if store.folder is not None else None
    if where is not None and not where.is_dir():
        return f"its files are not at {where}; bring them back from where the store was copied, or name another run"
    return f"it {'has' if run.info.status == 'RUNNING' else 'ended'} not yet written it; name another run"


def _finished(store: Store, tags: Mapping[str, str], experiment: str | None, count: int) -> list[RunInfo]:
    return _found(store, "FINISHED", tags, experiment, count)


def _found(store: Store, status: str, tags: Mapping[str, str], experiment: str | None, count: int) -> list[RunInfo]:
    conditions = [f"attributes.status = '{status}'"]
    for name, value in tags.items():
        if any(mark in f"{name}{value}" for mark in "'\"`"):
            raise TrackingError(f"tag {name} = {value} cannot be searched for: leave the quotes out")
        conditions.append(f"tags.`{name}` = '{value}'")
    return _search(store, conditions, experiment, count)


def _search(
    store: Store,
    conditions: Sequence[str],
    experiment: str | None = None,
    count: int = _LOOKED_THROUGH,
    order: str = "attributes.end_time DESC",
) -> list[RunInfo]:
    """The runs that meet all conditions, in an experiment or in any."""
    client = store.client()
    with tracking_errors(store):
        known = client.search_experiments()
        ids = [entry.experiment_id for entry in known if experiment in (None, entry.name)]
        if not ids:
            return []
        found = client.search_runs(ids, " and ".join(conditions), max_results=count, order_by=[order])
    return [_info(run) for run in found]


def _alternatives(store: Store, kind: str | None) -> str:
    latest = _finished(store, {} if kind is None else {"kind": kind}, None, _SHOWN)
    if not latest:
        return "no run has finished there yet, train one first"
    return f"the latest finished are {', '.join(f'{run.run_id} ({run.name})' for run in latest)}"


def _info(run: MlflowRun) -> RunInfo:
    return RunInfo(
        run_id=run.info.run_id,
        name=str(run.info.run_name),
        experiment_id=run.info.experiment_id,
        status=run.info.status,
        params=dict(run.data.params),
        tags=dict(run.data.tags),
        metrics=dict(run.data.metrics),
        started=run.info.start_time,
        ended=run.info.end_time,
    )
