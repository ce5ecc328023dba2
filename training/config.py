"""Configuration of every command: frozen pydantic models, one description with unit per field."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, model_validator

from bidpilot.agents.ppo_config import Count, PpoConfig
from bidpilot.serving.config import ServeConfig

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


class ImportConfig(Config):
    """Turn recorded auctions into a log that training and evaluation can read."""

    format: tyro.conf.Positional[Literal["auctionnet", "decisions"]] = Field(description="Format of the files.")
    files: tyro.conf.Positional[tuple[Path, ...]] = Field(min_length=1, description="Files to read, CSV or Parquet.")
    out: Path = Field(description="Folder to write the log to.")
    advertiser: int | None = Field(
        None, ge=0, description="Number of the one advertiser to keep; all of them where none is given."
    )
    name: str | None = Field(None, min_length=1, description="Name of the log; the folder's where none.")


class ExportConfig(Config):
    """Turn a run into a policy bundle that `bidpilot serve` takes, and register it as the challenger."""

    run: tyro.conf.Positional[str] = Field(
        "latest",
        min_length=1,
        description="Id of a training run, or `latest`, or a registered model: models:/NAME@champion.",
    )
    out: Path = Field(description="Folder to write the bundle to.")
    agent: str = Field(
        "ppo", min_length=1, description="The run's policy, or a controller under the run's forecast: mpc pid plan ..."
    )
    name: str = Field("bidpilot", min_length=1, description="Name of the bundle and of the registered model.")
    register_model: Annotated[bool, tyro.conf.arg(name="register")] = Field(
        True, description="Log the bundle as an MLflow model and give it the alias challenger."
    )
    experiment: str = Field("bidpilot", min_length=1, description="Name of the MLflow experiment.")


class PromoteConfig(Config):
    """Make the challenger the champion, if it wins paired days against the champion of now."""

    name: str = Field("bidpilot", min_length=1, description="Name of the registered model.")
    suites: tuple[str, ...] = Field(
        (), description="Suites to play; where none is named, the challenger's own, or none if it learnt from a log."
    )
    log: Path = Field(
        Path("logs/decisions"),
        description="Imported decision log to play too, or a folder of such logs, of which the latest is taken; "
        "left out where there is none.",
    )
    days: Count = Field(512, description="Held-out days per suite.")
    seed: Seed = Field(0, description="Seed of the suites' days and of the bootstrap.")
    experiment: str = Field("bidpilot", min_length=1, description="Name of the MLflow experiment.")


class ServeCommand(ServeConfig, Config):
    """Answer bid requests with a policy bundle: OpenRTB 2.6 over HTTP, with a budget ledger."""

    bundle: tyro.conf.Positional[Path] = Field(description="Folder of the policy bundle that bids.")


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
