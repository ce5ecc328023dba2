"""The model registry: log a bundle as a model, give it an alias, find it again."""

from __future__ import annotations

import io
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bidpilot.agents.learners.catalogue import learner_of
from bidpilot.bidding.bundle import Bundle
from bidpilot.bidding.errors import RunNotFound, TrackingError
from bidpilot.training.tracking import Run, RunInfo, Store, current_store, find_run
from bidpilot.training.tracking.store import tracking_errors
from bidpilot.training.tracking.story import note, scored

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

CHALLENGER, CHAMPION = "challenger", "champion"
_URI = re.compile(r"models:/(?P<name>[^/@]+)(?:@(?P<alias>[\w.-]+)|/(?P<version>\d+))")
_MODEL_FILE = Path(__file__).with_name("model.py")


@dataclass(frozen=True)
class Version:
    """One version of a registered model."""

    name: str
    version: str
    run_id: str  # of the export
    source: str  # where its files lie


@dataclass(frozen=True)
class Told:
    """What a version of a model says of itself."""

    description: str  # Markdown
    tags: Mapping[str, str]

    @classmethod
    def of(cls, bundle: Bundle, training: RunInfo) -> Told:
        """The training run that a bundle comes from and, where its policy is what bids, that run's held-out scores."""
        agent, learner = bundle.manifest.agent.name, learner_of(training.tags)
        own = {k: v for k, v in training.metrics.items() if k.startswith("heldout/")} if agent == learner else {}
        page = f"/#/experiments/{training.experiment_id}/runs/{training.run_id}"
        what = f"{agent} of the training [{training.name}]({page}), under its forecast"
        results = scored(training) if own else [f"{agent} is a controller: the run's scores are those of {learner}"]
        tags = {"source_run": training.run_id, "agent": agent, **{name: f"{value:.6g}" for name, value in own.items()}}
        return cls(
            note(what, bundle.manifest.origin.setting, results, [f"bidpilot promote --name {bundle.manifest.name}"]),
            tags,
        )


def is_model_uri(text: str) -> bool:
    """Whether `text` names a registered model: models:/NAME@ALIAS or models:/NAME/VERSION."""
    return text.startswith("models:/")


def register(run: Run, folder: Path, bundle: Bundle, name: str, told: Told) -> Version:
    """Log the bundle in `folder` as a model of `run`, with signature and input example, and make it challenger.

    Its version carries what is `told` of it.

    Raises:
        TrackingError: the store cannot be used.
    """
    with active(run.store) as mlflow, tracking_errors(run.store):
        from mlflow.models import infer_signature

        example = bundle.golden.observations[:1]
        signature = infer_signature(example, bundle.golden.actions[:1])
        # It tells stderr of versions, which `export` says itself, and wants hints on `predict`, which would be a second
        # schema beside the signature given here.
        quiet = redirect_stderr(io.StringIO())
        with mlflow.start_run(run_id=run.run_id), warnings.catch_warnings(), quiet:
            warnings.simplefilter("ignore", UserWarning)
            logged = mlflow.pyfunc.log_model(
                name="bundle",
                python_model=str(_MODEL_FILE),
                artifacts={"bundle": str(folder)},
                signature=signature,
                input_example=example,
                pip_requirements=["bidpilot", "numpy", "pydantic"],
                registered_model_name=name,
            )
        version = str(logged.registered_model_version)
        client = _client(run.store)
        client.update_model_version(name, version, told.description)
        for key, value in told.tags.items():
            client.set_model_version_tag(name, version, key, value)
        client.set_registered_model_alias(name, CHALLENGER, version)
    return Version(name, version, run.run_id, str(logged.model_uri))


def find_version(uri: str, store: Store | None = None) -> Version:
    """The version that `models:/NAME@ALIAS` or `models:/NAME/VERSION` names.

    Raises:
        RunNotFound: there is no such model, alias or version.
    """
    store = store or current_store()
    match = _URI.fullmatch(uri)
    if match is None:
        raise RunNotFound(f"{uri!r} names no registered model. Write models:/NAME@champion or models:/NAME/3.")
    from mlflow.exceptions import MlflowException

    client = _client(store)
    try:
        if match["alias"]:
            found = client.get_model_version_by_alias(match["name"], match["alias"])
        else:
            found = client.get_model_version(match["name"], match["version"])
    except MlflowException as error:
        raise RunNotFound(f"{uri} does not exist in {store.uri} ({error.message}). Export a run first.") from error
    return Version(found.name, str(found.version), str(found.run_id), str(found.source))


def version_of(run_id: str, name: str, store: Store | None = None) -> Version:
    """The last version of a registered model that was exported from this training run.

    Raises:
        RunNotFound: there is none.
    """
    store = store or current_store()
    client = _client(store)
    with tracking_errors(store):
        found = client.search_model_versions(f"name = '{name}'")
    for version in sorted(found, key=lambda version: -int(version.version)):
        try:
            exported = find_run(str(version.run_id), store=store)
        except RunNotFound:
            continue  # the run that exported this version was deleted; others may be left
        if exported.tags.get("source_run") == run_id:
            return Version(version.name, str(version.version), str(version.run_id), str(version.source))
    raise RunNotFound(f"no version of {name} was exported from run {run_id[:8]}. Export it first: bidpilot export RUN.")


def fetch(version: Version, into: Path, store: Store | None = None) -> Path:
    """Copy the bundle of a registered version into `into`; the bundle's folder."""
    store = store or current_store()
    with active(store) as mlflow, tracking_errors(store):
        uri = f"models:/{version.name}/{version.version}"
        folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=str(into)))
    found = sorted(folder.glob("**/manifest.json"))
    if not found:
        raise TrackingError(f"{uri} holds no policy bundle: it was not made by `bidpilot export`.")
    return found[0].parent


def make_champion(version: Version, tags: dict[str, str], store: Store | None = None) -> None:
    """Move the alias `champion` to a version and record why."""
    store = store or current_store()
    client = _client(store)
    with tracking_errors(store):
        for key, value in tags.items():
            client.set_model_version_tag(version.name, version.version, key, value[:5000])
        client.set_registered_model_alias(version.name, CHAMPION, version.version)


def tags_of(version: Version, store: Store | None = None) -> dict[str, str]:
    """The tags of a registered model, with those of this version of it on top."""
    store = store or current_store()
    client = _client(store)
    with tracking_errors(store):
        of_model = client.get_registered_model(version.name).tags
        return {**of_model, **client.get_model_version(version.name, version.version).tags}


def _client(store: Store) -> MlflowClient:
    """A client whose registry is this store too; otherwise it follows the process's last tracking address."""
    store.client()  # sets what mlflow reads when it is imported
    from mlflow.tracking import MlflowClient

    return MlflowClient(tracking_uri=store.uri, registry_uri=store.uri)


@contextmanager
def active(store: Store) -> Iterator[Any]:
    """mlflow's fluent interface on this store, and back on the one before."""
    store.client()  # sets what mlflow reads when it is imported
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    import mlflow

    # what set_tracking_uri was given, it also writes to the environment, where `current_store` would find it
    named = {key: os.environ.get(key) for key in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")}
    mlflow.set_tracking_uri(store.uri)
    mlflow.set_registry_uri(store.uri)
    try:
        yield mlflow
    finally:
        mlflow.set_tracking_uri("")
        mlflow.set_registry_uri("")
        for key, value in named.items():
            os.environ.pop(key, None)
            if value is not None:
                os.environ[key] = value
