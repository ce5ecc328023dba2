"""Configuration of `bidpilot train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from bidpilot.agents.learners.catalogue import LearnerChoice
from bidpilot.agents.learners.common.imitation_config import ImitationConfig
from bidpilot.envs.bidding_env.pool_config import PoolConfig
from bidpilot.envs.markets.presets import PRESETS
from bidpilot.training.cli.config import THREADS, Carries, Count, Seed
from bidpilot.training.setting.terms import LogTerms


class TrainConfig(LearnerChoice, LogTerms):
    """Train a bid policy, on synthetic days or on a recorded log."""

    basic: ClassVar[tuple[str, ...]] = ("market", "log", "total_steps", "seed", "learner", "run_name", "resume")
    examples: ClassVar[tuple[str, ...]] = (
        "bidpilot train --worlds 64 --verdict-days 128 --seed 1",
        "bidpilot train --config examples/train.yaml",
        "bidpilot train --log logs/mine --max-cpa 3",
        "bidpilot train --resume RUN --total-steps 196608",
    )

    market: Literal["daily", "steady", "rivals", "rivals_fixed"] = Field(
        "daily",
        description="Preset of the synthetic market; or rivals who pace their budgets and answer, or the same at the "
        "prices that they would make alone.",
    )
    log: Path | None = Field(
        None,
        description="Folder of an imported auction log to train on instead of the synthetic market. Where no "
        "preference is given, conversions alone count there, in a log without them interactions, else exposures.",
    )
    carries: Carries = "auto"
    seed: Seed = Field(0, description="Seed of the weights and of the training days.")
    total_steps: int = Field(
        98_304, ge=0, description="Length of the run, environment steps over all rows; 0: imitation alone."
    )
    rows: Count = Field(256, description="Days played side by side.")
    threads: Count = Field(1, description=THREADS)
    validation_days: Count = Field(
        256, description="Days per validation, at most those that a log holds out; the best policy by them is kept."
    )
    verdict_days: int = Field(
        256,
        ge=0,
        description="Days on each ground that judges at the end who is exported: policy, base, mpc or adaptive; 0: "
        "the policy, without a verdict.",
    )
    validation_share: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.2,
        description="Share of a log's campaigns, or of its units where it has fewer than three campaigns, whose "
        "recorded days are kept out of training and validated on; 0: recombined training days.",
    )
    hold_out: tuple[str, ...] = Field(
        (),
        description="Campaigns of the log whose recorded days are neither trained on nor validated on.",
    )
    validate_every: Count = Field(
        49_152, description="Environment steps between two validations, rounded up to whole rollouts."
    )
    checkpoint_every: Count = Field(
        147_456, description="Environment steps between two checkpoints, rounded up to a day boundary."
    )
    resume: str | None = Field(
        None,
        min_length=1,
        description="Training run to go on with, bit for bit, in its own configuration: id, beginning of an id, or "
        "name; only a larger total-steps may be given with it.",
    )
    experiment: str = Field("bidpilot", min_length=1, description="Name of the MLflow experiment.")
    run_name: str | None = Field(None, min_length=1, description="Name of the MLflow run; made up where none.")
    randomise: bool = Field(
        True,
        description="On a preset, draw each day's campaign from a pool of preferences, budgets, formats, delays and "
        "constraints, and its market from worlds around it on half of the days, so that one policy serves them all.",
    )
    worlds: int = Field(
        192, ge=0, description="Markets around the preset that half of a randomised training's days are of; 0: none."
    )
    shrinkage: Annotated[float, Field(gt=0, le=1)] = Field(
        0.5,
        description="Factor on the network's answers of a residual policy that learnt drawn markets, once it has: it "
        "gives up a little in markets like those, and loses less in others. 1: none.",
    )
    pool: PoolConfig = Field(PoolConfig(), description="The pool of campaigns.")
    regret: bool = Field(
        True,
        description="Reward each slot with what it lost against hindsight, which takes the luck of the day out of "
        "the gradient; else with the utility that it brought.",
    )
    traffic_filter: bool = Field(
        True,
        description="Whether the policy learns and is validated behind the traffic detector, as it is evaluated and "
        "served, where the forecast tells sources apart.",
    )
    imitation: ImitationConfig = Field(ImitationConfig(), description="Warm start by imitating one who knows more.")
    tuned: bool = Field(
        False,
        description="Take the settings that `bidpilot tune` found for this learner on this market or log, where "
        "they are at their defaults.",
    )

    @property
    def broadens(self) -> bool:
        """Whether campaigns and markets are drawn: on a preset, as asked; rivals are a market of their own."""
        return self.randomise and self.log is None and self.market in PRESETS

    @property
    def shrinks(self) -> bool:
        """Whether a policy is shrunk once it has learnt: where it adds to a re-plan, in markets that are drawn."""
        return self.broadens and self.settings.residual

    @model_validator(mode="after")
    def _batches_fit(self) -> TrainConfig:
        self.settings.check_rows(self.learner, self.rows)
        return self

    @model_validator(mode="after")
    def _learns(self) -> TrainConfig:
        if self.total_steps == 0 and self.imitation.rounds == 0:
            raise ValueError("total_steps = 0 and imitation.rounds = 0 train nothing: give one of them more")
        return self
