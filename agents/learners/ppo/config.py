"""PPO's hyperparameters, as data."""

from __future__ import annotations

from bidpilot.agents.learners.common.config import LearnerConfig


class PpoConfig(LearnerConfig):
    """PPO's hyperparameters."""
