"""Configuration of `bidpilot tune`."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from bidpilot.agents.learners.catalogue import LearnerName
from bidpilot.agents.learners.common.imitation_config import ImitationConfig
from bidpilot.envs.bidding_env.pool_config import PoolConfig
from bidpilot.training.cli.config import Carries, Count, Seed
from bidpilot.training.evaluation.names import TUNED_BASELINES
from bidpilot.training.jobs.config import JobOptions


class TuneConfig(JobOptions):
    """Tune the learners and every baseline with the same number of trials each, on training days only."""

    basic: ClassVar[tuple[str, ...]] = ("agents", "market", "log", "trials", "workers", "out", "install", "resume")
    examples: ClassVar[tuple[str, ...]] = (
        "bidpilot tune --agents baselines --trials 16",
        "bidpilot tune --log logs/mine --out tuned",
    )

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
    folds: int = Field(
        4,
        ge=2,
        description="Parts left out in turn, while every baseline is tuned as often without them: whole markets, or a "
        "log's periods and its campaigns. Gains are played where they beat the defaults on all that was left out.",
    )
    resume: str | None = Field(
        None,
        min_length=1,
        description="Tuning to go on with, in its own configuration: id, beginning of an id, or name; only out, "
        "install, backend and address go with it.",
    )
    out: Path | None = Field(
        None, description="Folder to write gains.json and a file per learner to, beside those that the run keeps."
    )
    install: bool = Field(
        False, description="Write them into the package's own data, agents/data, which training and evaluation read."
    )
    experiment: str = Field("bidpilot", min_length=1, description="Name of the MLflow experiment.")
