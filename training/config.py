"""Configuration of every command: frozen pydantic models, one description with unit per field."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, model_validator

from bidpilot.agents.ppo_config import Count, PpoConfig

Seed = Annotated[int, Field(ge=0, lt=2**63)]


class Config(BaseModel):
    """Base of all configuration: frozen, unknown keys and infinite numbers are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class TrainConfig(Config):
    """Train a bid policy with PPO, on synthetic days or on a recorded log."""

    market: Literal["daily", "steady"] = Field("daily", description="Preset of the synthetic market.")
    log: Path | None = Field(
        None, description="Folder of an imported auction log to train on instead of the synthetic market."
    )
    seed: Seed = Field(0, description="Seed of the weights and of the training days.")
    total_steps: Count = Field(983_040, description="Length of the run, environment steps over all rows.")
    rows: Count = Field(256, description="Days played side by side.")
    validation_days: Count = Field(256, description="Days per validation; the best policy by them is kept.")
    validate_every: Count = Field(
        245_760, description="Environment steps between two validations, rounded up to whole rollouts."
    )
    checkpoint_every: Count = Field(
        737_280, description="Environment steps between two checkpoints, rounded up to a day boundary."
    )
    resume: str | None = Field(
        None,
        min_length=1,
        description="Id of a run to go on with, bit for bit, in its own configuration; only a larger "
        "total-steps may be given with it.",
    )
    experiment: str = Field("bidpilot", min_length=1, description="Name of the MLflow experiment.")
    run_name: str | None = Field(None, min_length=1, description="Name of the MLflow run; made up where none.")
    ppo: PpoConfig = Field(PpoConfig(), description="PPO's hyperparameters.")

    @model_validator(mode="after")
    def _batches_fit(self) -> TrainConfig:
        rollout = self.rows * self.ppo.n_steps
        if rollout < self.ppo.batch_size or rollout % self.ppo.batch_size:
            raise ValueError(
                f"rows * ppo.n_steps = {rollout} is no multiple of ppo.batch_size = {self.ppo.batch_size}: "
                "choose a batch that divides the rollout"
            )
        return self


class EvaluateConfig(Config):
    """Play agents over held-out days, print R / R* per suite and the paired differences."""

    agents: tuple[str, ...] = Field(
        (),
        description="Agents by name: constant plan pid dual_descent mpc ppo, or ppo@RUN for a particular "
        "training run; all of them where none is named.",
    )
    suites: tuple[str, ...] = Field(
        (), description="Suites by name: steady daily; all of them where none is named and no log is given."
    )
    log: Path | None = Field(None, description="Folder of an imported auction log; its name becomes the suite's.")
    days: Count = Field(512, description="Held-out days per suite; a log's suite has the days it has.")
    seed: Seed = Field(0, description="Seed of the suites' days and of the bootstrap.")
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = Field(
        None,
        validation_alias=AliasChoices("json", "json_file"),
        description="File to write the printed rows to, as JSON.",
    )
    experiment: str = Field("bidpilot", min_length=1, description="Name of the MLflow experiment.")


class SolveConfig(Config):
    """Plan a campaign or a portfolio: what to spend when and where, what to bid, what each constraint costs."""

    file: tyro.conf.Positional[Path] = Field(
        description="YAML file of a campaign (market, profile, campaign) or of a portfolio (market, profile, "
        "campaigns and their budget)."
    )
    market: Literal["daily", "steady"] | None = Field(
        None, description="Preset of the synthetic market; the file's, or daily, where none."
    )
    log: Path | None = Field(None, description="Folder of an imported auction log to forecast from instead.")
    seed: Seed = Field(0, description="Seed of the synthetic market's log and forecast days.")
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = Field(
        None, validation_alias=AliasChoices("json", "json_file"), description="File to write the result to, as JSON."
    )
    experiment: str = Field("bidpilot", min_length=1, description="Name of the MLflow experiment.")


class ParetoConfig(SolveConfig):
    """Trace what each KPI of a campaign costs in the others, under its budget and constraints."""

    points: int = Field(16, ge=3, le=200, description="Plans to solve for; about two thirds by preference.")


class ImportConfig(Config):
    """Turn recorded auctions into a log that training and evaluation can read."""

    format: tyro.conf.Positional[Literal["auctionnet"]] = Field(description="Format of the files.")
    files: tyro.conf.Positional[tuple[Path, ...]] = Field(min_length=1, description="Files to read, CSV or Parquet.")
    out: Path = Field(description="Folder to write the log to.")
    advertiser: int | None = Field(
        None, ge=0, description="Number of the one advertiser to keep; all of them where none is given."
    )
    name: str | None = Field(None, min_length=1, description="Name of the log; the folder's where none.")


class UiConfig(Config):
    """Open the runs in the MLflow UI."""

    port: int = Field(5000, ge=1, le=65535, description="TCP port to listen on.")
    host: str = Field("127.0.0.1", min_length=1, description="Address to listen on; the default is loopback.")


def flat(config: Config | Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten a configuration to `group.field: value`, the names that `--help` shows.

    Tuples become space-separated text, as one would type them; None and paths become text.
    """
    fields = config.model_dump() if isinstance(config, Config) else config
    values: dict[str, Any] = {}
    for name, value in fields.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping):
            values.update(flat(value, f"{key}."))
        elif isinstance(value, (tuple, list)):
            values[key] = " ".join(str(item) for item in value)
        elif value is None or isinstance(value, (str, int, float)):
            values[key] = value
        else:
            values[key] = str(value)
    return values
