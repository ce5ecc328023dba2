"""A finished run as a value: packed where it was made, in a store of its worker's own, and put into the parent's."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bidpilot.training.tracking.find import download
from bidpilot.training.tracking.provenance import provenance
from bidpilot.training.tracking.run import Run, written_to
from bidpilot.training.tracking.store import Store, current_store, tracking_errors

_OF_THE_COMMAND = ("command", "mlflow.source.name", "mlflow.user")
"""What the parent knows of where a run comes from, and its worker does not."""


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
    """The finished run of a store.

    Raises:
        RunNotFound: no such run.
    """
    client = store.client()
    with tracking_errors(store):
        run = client.get_run(run_id)
        history = [entry for name in run.data.metrics for entry in client.get_metric_history(run_id, name)]
        with tempfile.TemporaryDirectory() as folder:
            for entry in client.list_artifacts(run_id):
                download(run_id, entry.path, Path(folder), store=store)
            files = _zipped(Path(folder))
        models = []
        for output in run.outputs.model_outputs if run.outputs is not None else ():
            model = client.get_logged_model(output.model_id)
            where = Path(client.download_artifacts("", "")) if not model.artifact_location else None
            with tempfile.TemporaryDirectory() as folder:
                where = Path(_fetched(str(model.artifact_location), folder))
                models.append(Model(model.name, str(model.model_type), output.step, _zipped(where)))
    inputs = () if run.inputs is None else run.inputs.dataset_inputs
    return Parcel(
        run.info.run_name,
        run.info.start_time,
        run.info.end_time,
        dict(run.data.params),
        dict(run.data.tags),
        tuple((entry.key, entry.value, entry.timestamp, entry.step) for entry in history),
        tuple((i.dataset.name, i.dataset.digest, i.dataset.source, i.tags[0].value) for i in inputs),
        files,
        tuple(models),
    )
