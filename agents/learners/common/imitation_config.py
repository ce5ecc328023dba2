"""How the hindsight optimum is imitated, as data."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class ImitationConfig(BaseModel):
    """How much is imitated before the learner begins."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    rounds: Annotated[int, Field(ge=0)] = Field(24, description="Days that each row plays for labels; 0: none.")
    epochs: Annotated[int, Field(gt=0)] = Field(4, description="Passes over the labels after each round.")
    batch_size: Annotated[int, Field(gt=0)] = Field(2048, description="Samples per gradient step.")
    learning_rate: float = Field(
        2e-3, gt=0, description="Adam's step size at the start; it falls to nothing over the rounds."
    )
    kept: Annotated[int, Field(gt=0)] = Field(12, description="Rounds whose labels are kept.")
