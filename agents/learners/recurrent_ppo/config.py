"""The hyperparameters of PPO with memory, as data."""

from __future__ import annotations

from pydantic import Field

from bidpilot.agents.learners.common.config import Count, LearnerConfig


class RecurrentPpoConfig(LearnerConfig):
    """The hyperparameters of PPO with memory."""

    lstm: Count = Field(64, description="Units of the LSTM of the actor, and of that of the critic.")
    net: tuple[Count, ...] = Field((64,), min_length=1, description="Hidden units per layer after the LSTM.")
