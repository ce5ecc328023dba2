"""MLflow tracking: where runs are stored, how they are written and found again.

Importing this package does not import mlflow; that happens with the first call that needs the store.
`MlflowWriter` (which needs stable-baselines3) is in `tracking.writer`, the UI in `tracking.ui`.
"""

from bidpilot.training.tracking.find import (
    RunInfo,
    download,
    find_run,
    finished_runs,
    latest_finished_run,
    resolve_run,
)
from bidpilot.training.tracking.names import LATEST
from bidpilot.training.tracking.provenance import provenance
from bidpilot.training.tracking.run import Run, open_run
from bidpilot.training.tracking.store import Store, current_store

__all__ = [
    "LATEST",
    "Run",
    "RunInfo",
    "Store",
    "current_store",
    "download",
    "find_run",
    "finished_runs",
    "latest_finished_run",
    "open_run",
    "provenance",
    "resolve_run",
]
