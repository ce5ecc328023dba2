"""Configuration of `bidpilot ablate`."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field, model_validator

from bidpilot.agents.learners.catalogue import LearnerChoice
from bidpilot.agents.learners.common.imitation_config import ImitationConfig
from bidpilot.envs.bidding_env.pool_config import PoolConfig
from bidpilot.training.ablate.catalogue import VARIANTS
from bidpilot.training.cli.config import Count, JsonFile, Seed, json_file
from bidpilot.training.jobs.config import JobOptions, workers_field
from bidpilot.training.train.config import TrainConfig

_TRAINING = TrainConfig()


class AblateConfig(LearnerChoice, JobOptions):
    """Train with one part left out at a time, and say what each part buys on which suite."""

    basic: ClassVar[tuple[str, ...]] = ("variants", "seeds", "total_steps", "suites", "workers", "out")
    examples: ClassVar[tuple[str, ...]] = ("bidpilot ablate --variants full imitation --seeds 0 1 --out ablation.md",)

    variants: tuple[str, ...] = Field(
        (),
        description=f"What to train, by name: {' '.join(VARIANTS)}; all of them where none is named.",
    )
    seeds: tuple[Seed, ...] = Field((0, 1, 2), min_length=1, description="Training seeds of every variant.")
    total_steps: Count = Field(
        _TRAINING.total_steps, description="Length of each training with the learner, environment steps over all rows."
    )
    rows: Count = Field(_TRAINING.rows, description="Days played side by side in training.")
    validation_days: Count = Field(_TRAINING.validation_days, description="Days per validation.")
    worlds: int = Field(_TRAINING.worlds, ge=0, description="Markets around the preset in training.")
    suites: tuple[str, ...] = Field((), description="Suites by name; all of them where none is named.")
    days: Count = Field(512, description="Held-out days per suite.")
    parts: bool = Field(True, description="Whether `adaptive` plays without each of its own parts, too.")
    workers: int = workers_field(2)
    fresh: bool = Field(
        False,
        description="Train anew; otherwise a finished training of the same configuration is taken, of whatever commit.",
    )
    out: Path | None = Field(None, description="File to write the tables to, as Markdown.")
    json_file: JsonFile = json_file("the printed rows")
    experiment: str = Field("bidpilot", min_length=1, description="Name of the MLflow experiment.")
    pool: PoolConfig = Field(_TRAINING.pool, description="The pool of campaigns.")
    imitation: ImitationConfig = Field(_TRAINING.imitation, description="Warm start of the variants that have one.")

    @model_validator(mode="after")
    def _whole(self) -> AblateConfig:
        if self.settings.hidden or not self.settings.residual or self.imitation.rounds == 0:
            raise ValueError(
                f"{self.learner}.hidden, {self.learner}.no-residual and imitation.rounds = 0 are what the variants "
                "leave out: leave them as they are, and name variants"
            )
        return self
