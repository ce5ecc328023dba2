"""A finished run as a value: packed where it was made, in a store of its worker's own, and put into the parent's."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bidpilot.training.tracking.find import running
from bidpilot.training.tracking.local import local_path
from bidpilot.training.tracking.provenance import provenance
from bidpilot.training.tracking.run import Run
from bidpilot.training.tracking.store import Store, current_store, tracking_errors

_OF_THE_COMMAND: Final = ("command", "mlflow.source.name", "mlflow.user")
"""What the parent knows of where a run comes from, and its worker does not."""

_PER_BATCH: Final = 1000  # metrics, MLflow's limit


@dataclass(frozen=True)
class Model:
    """A model that a run made."""

    name: str
    kind: str
    step: int
    files: bytes  # a zip


@dataclass(frozen=True)
class Parcel:
    """All that is stored of one run."""

    name: str
    started: int  # milliseconds since 1970
    ended: int
    params: Mapping[str, str]
    tags: Mapping[str, str]
    metrics: tuple[tuple[str, float, int, int], ...]  # name, value, milliseconds since 1970, step
    datasets: tuple[tuple[str, str, str, str], ...]  # name, digest, source, context
    files: bytes  # of its artifacts, a zip
    models: tuple[Model, ...]


def packed(run_id: str, store: Store) -> Parcel:
    """The finished run of a local store."""
    client = store.client()
    with tracking_errors(store):
        run = client.get_run(run_id)
        history = [entry for name in run.data.metrics for entry in client.get_metric_history(run_id, name)]
        made = [] if run.outputs is None else run.outputs.model_outputs
        models = [(client.get_logged_model(output.model_id), output.step) for output in made]
    inputs = [] if run.inputs is None else run.inputs.dataset_inputs
    return Parcel(
        run.info.run_name,
        run.info.start_time,
        run.info.end_time,
        dict(run.data.params),
        dict(run.data.tags),
        tuple((entry.key, entry.value, entry.timestamp, entry.step) for entry in history),
        tuple((i.dataset.name, i.dataset.digest, i.dataset.source, i.tags[0].value) for i in inputs),
        _zipped(run.info.artifact_uri),
        tuple(Model(m.name, str(m.model_type), step, _zipped(m.artifact_location)) for m, step in models),
    )


def unpacked(parcel: Parcel, experiment: str, store: Store | None = None) -> Run:
    """Put a run into a store, finished; it has an id of its own there.

    Raises:
        TrackingError: the store cannot be used.
    """
    from mlflow.entities import Metric

    store = store or current_store()
    client, experiment_id = store.client(), store.experiment_id(experiment)
    origin = provenance()
    tags = {**parcel.tags, **{name: origin[name] for name in _OF_THE_COMMAND}}
    with tracking_errors(store):
        made = client.create_run(experiment_id, parcel.started, tags, parcel.name)
        run = Run(made.info.run_id, experiment_id, parcel.name, store)
        run.log_params(parcel.params)
        entries = [Metric(name, value, when, step) for name, value, when, step in parcel.metrics]
        for first in range(0, len(entries), _PER_BATCH):
            client.log_batch(run.run_id, metrics=entries[first : first + _PER_BATCH])
        for name, digest, source, context in parcel.datasets:
            run.log_dataset(name, digest, json.loads(source), context)
        with _unzipped(parcel.files) as folder:
            run.log_folder(folder)
        for model in parcel.models:
            with _unzipped(model.files) as folder:
                run.log_model(folder, model.name, model.kind, model.step)
        client.set_terminated(run.run_id, "FINISHED", parcel.ended)
    return run


def end_dead(tags: Mapping[str, str], store: Store | None = None) -> list[str]:
    """End the runs with all of `tags` that a worker has left running; their ids.

    Raises:
        TrackingError: the store cannot be used.
    """
    store = store or current_store()
    dead = [run.run_id for run in running(tags, store=store)]
    client = store.client()
    with tracking_errors(store):
        for run_id in dead:
            client.set_tag(run_id, "error", "its worker ended without a word: killed, or out of memory")
            client.set_terminated(run_id, status="KILLED")
    return dead


def _zipped(address: str) -> bytes:
    folder, held = local_path(address), io.BytesIO()
    assert folder is not None  # a worker's own store is on its disk
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                file.write(path, path.relative_to(folder))
    return held.getvalue()


@contextmanager
def _unzipped(held: bytes) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(io.BytesIO(held)) as file:
        file.extractall(folder)
        yield Path(folder)
