"""Who is imitated and how much, as data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from bidpilot.bidding.errors import UnknownLaw


class ImitationConfig(BaseModel):
    """How much is imitated before the learner begins."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    teacher: Literal["auto", "law", "hindsight", "blend"] = Field(
        "auto",
        description="Who labels actions: law, told the market's law and the current levels, not the future; hindsight, "
        "told all auctions to come; blend, between both. auto: law where it is known, on a log hindsight.",
    )
    hindsight_share: Annotated[float, Field(ge=0, le=1)] = Field(
        0.3, description="Weight of hindsight's labels in the blend."
    )
    rounds: Annotated[int, Field(ge=0)] = Field(12, description="Days that each row plays for labels; 0: none.")
    epochs: Annotated[int, Field(gt=0)] = Field(4, description="Passes over the labels after each round.")
    batch_size: Annotated[int, Field(gt=0)] = Field(2048, description="Samples per gradient step.")
    learning_rate: float = Field(
        2e-3, gt=0, description="Adam's step size at the start; it falls to nothing over the rounds."
    )
    kept: Annotated[int, Field(gt=0)] = Field(12, description="Rounds whose labels are kept.")

    def check_law_known(self, log: Path | None) -> None:
        """Refuse, on recorded days of `log`, a teacher that is told the market's law; nothing to refuse without one.

        Raises:
            UnknownLaw: it is asked for.
        """
        if log is not None and self.rounds > 0 and self.teacher in ("law", "blend"):
            raise UnknownLaw(
                f"imitation.teacher = {self.teacher} is told a market's law, and nobody knows that of the recorded "
                f"days of {log}. Use hindsight or auto there, or train on a preset."
            )
