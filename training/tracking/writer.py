"""stable-baselines3's logger, forwarded to MLflow."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from stable_baselines3.common.logger import KVWriter

from bidpilot.training.tracking.run import Run

_FORMAT = "mlflow"  # the name by which `logger.record(..., exclude="mlflow")` leaves a value out


class MlflowWriter(KVWriter):
    """Writes each dump of the logger as one batch of metrics, beside the console and not instead of it.

    Only finite numbers are written: stable-baselines3 records NaN for what it cannot compute yet (the
    explained variance of constant returns), and texts belong to the console.

    Example: `Logger(folder=None, output_formats=[HumanOutputFormat(sys.stdout), MlflowWriter(run)])`.
    """

    def __init__(self, run: Run) -> None:
        self._run = run

    def write(self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0) -> None:
        """Write the numbers among `key_values` at `step` (environment steps)."""
        metrics = {
            key: float(value)
            for key, value in key_values.items()
            if _is_number(value) and _FORMAT not in (key_excluded.get(key) or ())
        }
        if metrics:
            self._run.log_metrics(metrics, step)

    def close(self) -> None:
        """Nothing is held open; the run belongs to the caller."""


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and math.isfinite(value)
