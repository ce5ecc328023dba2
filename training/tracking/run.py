"""One MLflow run, written to while it lasts."""

from __future__ import annotations

import json
import math
import re
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final, TypeVar

from bidpilot.bidding.errors import RunNotFound, TrackingError
from bidpilot.training.tracking.find import find_run
from bidpilot.training.tracking.local import alive, ended
from bidpilot.training.tracking.provenance import provenance
from bidpilot.training.tracking.store import Store, current_store, tracking_errors

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from mlflow.tracking import MlflowClient
    from pydantic import BaseModel

T = TypeVar("T")

CONFIG_FILE: Final = "config.json"
"""A run's whole configuration."""

# Limits of MLflow's log_batch and of the length of a value.
_METRICS_PER_BATCH = 1000
_ENTRIES_PER_BATCH = 100
_PARAM_LENGTH = 6000
_TAG_LENGTH = 5000
_DIGEST_SHOWN = 8  # digits of a data set's digest: more push the other columns out of sight
_NOT_IN_MODELS = re.compile(r"[/:.%\"']")  # what MLflow refuses in the name of a model


@dataclass(frozen=True)
class Run:
    """A handle on one run of `store`; every method writes at once."""

    run_id: str
    experiment_id: str
    name: str
    store: Store

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Write all of `metrics` at `step` (environment steps) in one batch; 3 ms for 1, 26 ms for 100.

        Raises:
            TrackingError: where a metric is NaN or infinite.
        """
        from mlflow.entities import Metric

        values = {name: float(value) for name, value in metrics.items()}
        unusable = [f"{name} = {value}" for name, value in values.items() if not math.isfinite(value)]
        if unusable:
            raise TrackingError(f"metric {unusable[0]} at step {step} is not finite: leave it out or mend it")
        now = time.time_ns() // 1_000_000
        entries = [Metric(name, value, now, step) for name, value in values.items()]
        with tracking_errors(self.store):
            for batch in _batches(entries, _METRICS_PER_BATCH):
                self._client.log_batch(self.run_id, metrics=batch)

    def log_params(self, params: Mapping[str, object]) -> None:
        """Write parameters (name to value; any value is written as its text).

        A parameter keeps its first value; to write another one is an error.

        Raises:
            TrackingError: where a parameter has another value already.
        """
        from mlflow.entities import Param

        entries = [Param(name, str(value)[:_PARAM_LENGTH]) for name, value in params.items()]
        with tracking_errors(self.store):
            for batch in _batches(entries, _ENTRIES_PER_BATCH):
                self._client.log_batch(self.run_id, params=batch)

    def set_tags(self, tags: Mapping[str, object]) -> None:
        """Write tags; unlike parameters they may change."""
        from mlflow.entities import RunTag

        entries = [RunTag(name, str(value)[:_TAG_LENGTH]) for name, value in tags.items()]
        with tracking_errors(self.store):
            for batch in _batches(entries, _ENTRIES_PER_BATCH):
                self._client.log_batch(self.run_id, tags=batch)

    def log_dataset(self, name: str, digest: str, origin: Mapping[str, object], context: str) -> None:
        """Say what days the run is about: the column Dataset of the UI.

        Args:
            name: of the preset, suite or log.
            digest: of its auctions, or of what draws them; eight digits of it are shown.
            origin: where it comes from, by name.
            context: what the run does with it: `training` or `evaluation`.
        """
        from mlflow.entities import Dataset, DatasetInput, InputTag

        source = json.dumps({key: str(value) for key, value in origin.items()})
        dataset = Dataset(name, digest[:_DIGEST_SHOWN], "bidpilot", source)
        with tracking_errors(self.store):
            self._client.log_inputs(self.run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", context)])])

    def log_model(self, source: Path, name: str, kind: str, step: int) -> None:
        """Keep the files of `source` as a model that the run made: the column Models of the UI, without pickle.

        Args:
            source: folder of its files.
            name: of the model.
            kind: what it is, the model's type.
            step: environment steps after which it stood so.
        """
        from mlflow.entities import LoggedModelOutput

        client = self._client
        with tracking_errors(self.store):
            model = client.create_logged_model(
                self.experiment_id, _NOT_IN_MODELS.sub("_", name), self.run_id, model_type=kind
            )
            client.log_model_artifacts(model.model_id, str(source))
            client.finalize_logged_model(model.model_id, "READY")
            client.log_outputs(self.run_id, [LoggedModelOutput(model.model_id, step)])

    def log_figure(self, figure: Figure, path: str, dpi: int = 120) -> None:
        """Keep a matplotlib figure as an image, e.g. `figures/learning_curve.png`."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / PurePosixPath(path).name
            figure.savefig(file, dpi=dpi)
            self.log_artifact(file, _parent(path))

    def log_text(self, text: str, path: str) -> None:
        """Keep a text under `path`."""
        self._client.log_text(self.run_id, text, path)

    def log_json(self, value: Any, path: str) -> None:
        """Keep `value` as JSON under `path`.

        Raises:
            ValueError: where it holds NaN or infinity, which JSON cannot.
        """
        self.log_text(json.dumps(value, indent=1, allow_nan=False), path)

    def log_artifact(self, file: Path, folder: str | None = None) -> None:
        """Keep a copy of `file` in `folder` of the run's artifacts (their root where None)."""
        self._client.log_artifact(self.run_id, str(file), folder)

    def log_folder(self, source: Path, folder: str | None = None) -> None:
        """Keep a copy of everything in `source` in `folder` of the run's artifacts."""
        self._client.log_artifacts(self.run_id, str(source), folder)

    @property
    def _client(self) -> MlflowClient:
        return self.store.client()


def written_to(run_id: str, store: Store | None = None) -> Run:
    """A handle on a run that is there, to write to it without going on with it.

    Raises:
        RunNotFound: no such run.
    """
    store = store or current_store()
    found = find_run(run_id, store=store)
    return Run(found.run_id, found.experiment_id, found.name, store)


@contextmanager
def open_run(
    experiment: str,
    run_name: str | None = None,
    params: Mapping[str, object] | None = None,
    tags: Mapping[str, object] | None = None,
    *,
    kind: str = "train",
    config: BaseModel | None = None,
    resume: str | None = None,
    store: Store | None = None,
) -> Iterator[Run]:
    """Open a run, or the existing run `resume`, and end it with the status that fits.

    The run is FINISHED when the block ends, KILLED after Ctrl-C and FAILED after any other exception,
    whose first line is kept as the tag `error`. Parameters are few: what the configuration has otherwise than by
    default, and a few basics (`cli.config.changed`); the whole of it is the artifact `config.json`. When a run is
    resumed, parameters that it has keep their value, and those now given otherwise are kept as the tags
    `resumed.PARAMETER`. Runs of a local store whose process was killed are marked KILLED first.

    Args:
        experiment: name of the experiment, created where missing; of no effect with `resume`.
        run_name: shown in the UI; made up by MLflow where None.
        params: parameter name to value.
        tags: tag name to value, beside those of `provenance()`.
        kind: what made the run ("train", "evaluate", ...), its tag `kind`.
        config: kept whole as `config.json`; the caller's own doing where None.
        resume: id of a run to go on with.
        store: where; `current_store()` where None.

    Raises:
        RunNotFound: where `resume` is not the id of a run.
        TrackingError: where the store cannot be used.
    """
    store = store or current_store()
    _mark_dead_runs(store)
    run = _start(store, experiment, run_name, kind) if resume is None else _restart(store, resume)
    with nullcontext() if store.folder is None else alive(store.folder, run.run_id):
        yield from _written(run, params or {}, tags or {}, config, resume is not None)


def _written(
    run: Run, params: Mapping[str, object], tags: Mapping[str, object], config: BaseModel | None, resumed: bool
) -> Iterator[Run]:
    """The run with its configuration, parameters and tags, ended as the caller's block ends."""
    try:
        run.set_tags({**provenance(), **tags})
        if resumed:
            _log_resumed_params(run, params)
        else:
            run.log_params(params)
        if config is not None:
            run.log_json(config.model_dump(mode="json"), CONFIG_FILE)
        yield run
    except BaseException as error:
        _end_after(run, error)
        raise
    _end(run, "FINISHED")


def _mark_dead_runs(store: Store) -> None:
    """End the runs of a local store whose process was killed: they would seem to run for ever."""
    if store.folder is None or not store.exists:
        return
    client = store.client()
    with ended(store.folder) as dead:
        for run_id in dead:
            with suppress(RunNotFound):  # deleted since
                if find_run(run_id, store=store).status == "RUNNING":
                    client.set_tag(run_id, "error", "its process ended without a word: killed, or out of memory")
                    client.set_terminated(run_id, status="KILLED")


def _start(store: Store, experiment: str, name: str | None, kind: str) -> Run:
    experiment_id = store.experiment_id(experiment)
    with tracking_errors(store):
        made = store.client().create_run(experiment_id, run_name=name, tags={"kind": kind})
    return Run(made.info.run_id, experiment_id, str(made.info.run_name), store)


def _restart(store: Store, run_id: str) -> Run:
    found = find_run(run_id, store=store)
    store.client().update_run(run_id, status="RUNNING")
    if "error" in found.tags:
        store.client().delete_tag(run_id, "error")
    return Run(run_id, found.experiment_id, found.name, store)


def _end(run: Run, status: str) -> None:
    run.store.client().set_terminated(run.run_id, status=status)


def _end_after(run: Run, error: BaseException) -> None:
    """Record why the run ended; what ended it matters more than a store that fails now too."""
    killed = isinstance(error, KeyboardInterrupt)
    with suppress(TrackingError), tracking_errors(run.store):
        if not killed:
            run.set_tags({"error": ": ".join([type(error).__name__, *str(error).splitlines()[:1]])})
        _end(run, "KILLED" if killed else "FAILED")


def _log_resumed_params(run: Run, params: Mapping[str, object]) -> None:
    before = find_run(run.run_id, store=run.store).params
    given = {name: str(value)[:_PARAM_LENGTH] for name, value in params.items()}
    run.log_params({name: value for name, value in given.items() if name not in before})
    changed = {name: value for name, value in given.items() if before.get(name, value) != value}
    run.set_tags({f"resumed.{name}": value for name, value in changed.items()})


def _batches(entries: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(entries), size):
        yield entries[start : start + size]


def _parent(path: str) -> str | None:
    parent = str(PurePosixPath(path).parent)
    return None if parent == "." else parent
