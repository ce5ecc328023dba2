"""The bundle as an MLflow model, logged from this file: no pickle is written or read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from mlflow.pyfunc.model import PythonModel

from bidpilot.agents.acting.from_bundle import agent_of
from bidpilot.bidding.bundle import load_bundle


class BundleModel(PythonModel):
    """The manifest's features (B, R) to actions (B, 3 + S), each row taken as the first slot of a day."""

    def load_context(self, context: Any) -> None:
        """Read and check the bundle among the model's files."""
        self.bundle = load_bundle(Path(context.artifacts["bundle"]))
        self.agent = agent_of(self.bundle)

    # MLflow reads hints of `predict` as a schema of its own; the signature comes from the input example.
    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        """Actions in [-1, 1]."""
        observation = self.bundle.observation(np.asarray(model_input, np.float32))
        action, _ = self.agent.act(observation, self.agent.start(len(observation)))
        return action


mlflow.models.set_model(BundleModel())
