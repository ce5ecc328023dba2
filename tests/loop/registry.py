"""What the tracking store tells its reader: the champion, and the last decision about it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.loop.room import Room

if TYPE_CHECKING:
    from mlflow import MlflowClient

NAME = "bidpilot"


@dataclass(frozen=True)
class Decision:
    """One promotion that was decided."""

    run_id: str
    promoted: bool
    reason: str
    duels: list[dict[str, Any]]  # a row per suite: suite, days, challenger, champion, difference, low, high


def champion(room: Room) -> str:
    """The version that has the alias."""
    return str(_client(room).get_model_version_by_alias(NAME, "champion").version)


def version_tags(room: Room, version: str) -> dict[str, str]:
    """What is written at a version."""
    return dict(_client(room).get_model_version(NAME, version).tags)


def demand_experiment(room: Room, version: str) -> None:
    """Let a version be promoted by a won experiment alone."""
    _client(room).set_model_version_tag(NAME, version, "needs_experiment", "true")


def last_decision(room: Room) -> Decision:
    """The last run of `bidpilot promote`."""
    client = _client(room)
    ids = [experiment.experiment_id for experiment in client.search_experiments()]
    (run,) = client.search_runs(ids, "tags.kind = 'promote'", max_results=1, order_by=["attributes.start_time DESC"])
    file = Path(client.download_artifacts(run.info.run_id, "promotion.json", str(room.folder)))
    tags = run.data.tags
    return Decision(run.info.run_id, tags["promoted"] == "true", tags["reason"], json.loads(file.read_text()))


def _client(room: Room) -> MlflowClient:
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    # mlflow takes seconds to load, and is needed by three steps alone
    from mlflow import MlflowClient

    address = f"sqlite:///{room.path('mlruns/mlflow.db')}"
    return MlflowClient(address, address)
