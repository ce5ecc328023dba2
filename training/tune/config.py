"""Configuration of `bidpilot tune`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from bidpilot.agents.learners.catalogue import LearnerName
from bidpilot.agents.learners.common.imitation_config import ImitationConfig
from bidpilot.envs.bidding_env.pool_config import PoolConfig
from bidpilot.training.cli.config import Carries, Config, Count, Seed
from bidpilot.training.evaluation.names import TUNED_BASELINES


class TuneConfig(Config):
    """Tune the learners and every baseline with the same number of trials each, on training days only."""

    agents: Literal["all", "baselines"] | LearnerName = Field(
        "all",
        description=f"What to tune: baselines ({' '.join(TUNED_BASELINES)}, always together), a learner, or all: the "
        "baselines and the learners that are not experimental.",
    )
    market: Literal["daily", "steady"] = Field("daily", description="Preset of the synthetic market.")
    log: Path | None = Field(
        None, description="Folder of an imported auction log to tune on instead of the synthetic market."
    )
    carries: Carries = "auto"
    trials: Count = Field(32, description="Trials per agent; the first are its defaults.")
    days: Count = Field(256, description="Training days that each trial is scored on.")
    steps: Count = Field(122_880, description="Environment steps of each of a learner's trials.")
    rows: Count = Field(256, description="Days played side by side in a learner's trials.")
    randomise: bool = Field(True, description="Whether a learner's trials draw campaigns and markets, as `train` does.")
    pool: PoolConfig = Field(PoolConfig(), description="The pool of campaigns of a learner's trials.")
    regret: bool = Field(True, description="Whether a learner's trials learn from regrets against hindsight.")
    imitation: ImitationConfig = Field(ImitationConfig(), description="Warm start of a learner's trials.")
    seed: Seed = Field(0, description="Seed of the training days and of the search.")
    out: Path | None = Field(
        None,
        description="Folder of gains.json and of a file per learner, which training and evaluation read; agents/data "
        "where none.",
    )
    experiment: str = Field("bidpilot", min_length=1, description="Name of the MLflow experiment.")
