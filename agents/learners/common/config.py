"""Hyperparameters that every learner has, as data."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from bidpilot.agents.acting.hidden import HIDEABLE, seen_features
from bidpilot.agents.acting.residual import RESIDUALS, Base, Residual

Count = Annotated[int, Field(gt=0)]


class LearnerConfig(BaseModel):
    """Hyperparameters of a learner that plays rollouts, estimates advantages and clips its updates."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    n_steps: Count = Field(48, description="Slots per rollout and row; 48 is one day.")
    batch_size: Count = Field(2048, description="Samples per gradient step.")
    epochs: Count = Field(5, description="Passes over each rollout.")
    gamma: float = Field(1.0, gt=0, le=1, description="Discount per slot; 1 makes a day's rewards sum to R.")
    gae_lambda: float = Field(0.97, ge=0, le=1, description="Advantage estimation: weight per slot.")
    learning_rate: float = Field(2e-4, gt=0, description="Adam's step size at the start.")
    learning_rate_end: float = Field(
        0.0, ge=0, description="Adam's step size at the last step; the decay between is linear."
    )
    clip_range: float = Field(0.2, gt=0, description="Largest relative change of a probability per update.")
    entropy: float = Field(0.0, ge=0, description="Weight of the entropy bonus.")
    value: float = Field(0.5, ge=0, description="Weight of the critic's loss.")
    max_grad_norm: float = Field(0.5, gt=0, description="Gradients are scaled down to this norm.")
    log_std_init: float = Field(-1.75, description="Natural logarithm of the actions' initial spread.")
    net: tuple[Count, ...] = Field((64, 64), min_length=1, description="Hidden units per layer.")
    residual: bool = Field(
        True, description="Add 0.3 times the network's action to the re-plan's instead of replacing it."
    )
    base: Base = Field("adaptive", description="The controller whose re-plan a residual action is added to.")
    hidden: tuple[str, ...] = Field(
        (),
        description="Features that the network does not see, by name, or groups of them: preference, replan, history. "
        "The re-plan that a residual action is added to stays.",
    )

    @property
    def added_to(self) -> Residual | None:
        """What the network's action is added to; None where it is played by itself."""
        return RESIDUALS[self.base] if self.residual else None

    @field_validator("hidden")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in names if name not in HIDEABLE]
        if unknown:
            raise ValueError(f"no feature is called {unknown[0]!r}: use {' '.join(HIDEABLE)}")
        if not seen_features(names, segments=1):
            raise ValueError("nothing is left for the network to see: hide fewer")
        return names

    def check_rows(self, name: str, rows: int) -> None:
        """Refuse a number of rows whose rollouts cannot be learnt from as these settings, those of `name`, say.

        Raises:
            ValueError: a rollout is no whole number of batches.
        """
        rollout = rows * self.n_steps
        if rollout % self.batch_size:
            raise ValueError(
                f"rows * {name}.n_steps = {rollout} is no multiple of {name}.batch_size = {self.batch_size}: "
                "choose a batch that divides the rollout"
            )
