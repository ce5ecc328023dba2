"""Configuration of `bidpilot export` and `bidpilot promote`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

import tyro
from pydantic import Field

from bidpilot.training.cli.config import Config, Count, Seed
from bidpilot.training.evaluation.names import DECIDING
from bidpilot.training.tracking.names import LATEST


class ExportConfig(Config):
    """Turn a run into a policy bundle that `bidpilot serve` takes, and register it as the challenger."""

    basic: ClassVar[tuple[str, ...]] = ("out", "agent", "force")
    examples: ClassVar[tuple[str, ...]] = (
        "bidpilot export --out bundle",
        "bidpilot export RUN --agent mpc --out bundle",
        "bidpilot export models:/bidpilot@champion --out bundle --force",
    )

    run: tyro.conf.Positional[str] = Field(
        LATEST,
        min_length=1,
        description="Training run: id, beginning of an id, or name; `latest`: the last whose policy this version can "
        "play; or a registered model: models:/NAME@champion.",
    )
    out: Path = Field(description="Folder to write the bundle to.")
    force: bool = Field(False, description="Replace a bundle of another run in that folder.")
    agent: str | None = Field(
        None,
        min_length=1,
        description=f"Agent under the run's forecast: {' '.join(DECIDING)}; the run's own choice where none is named.",
    )
    name: str = Field("bidpilot", min_length=1, description="Name of the bundle and of the registered model.")
    bands_days: int = Field(
        1024,
        ge=0,
        description="Training days that the agent plays for the bands by which a bid server watches its days; 0: no "
        "bands, and nothing is watched.",
    )
    register_model: Annotated[bool, tyro.conf.arg(name="register")] = Field(
        True, description="Log the bundle as an MLflow model and give it the alias challenger."
    )
    experiment: str = Field("bidpilot", min_length=1, description="Name of the MLflow experiment.")


class PromoteConfig(Config):
    """Make the challenger the champion, if it wins paired days against the champion of now."""

    examples: ClassVar[tuple[str, ...]] = (
        "bidpilot promote RUN --suites steady daily",
        "bidpilot promote --log logs/decisions",
        "bidpilot promote --won won.json",
    )

    run: tyro.conf.Positional[str | None] = Field(
        None,
        min_length=1,
        description="Training run whose last exported version challenges: id, beginning of an id, or name; the version "
        "of the alias challenger where none.",
    )
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
    allow_few: bool = Field(
        False,
        description="Decide by the other suites where one, or the log, has too few groups of days to say who is "
        "better; the challenger is refused there otherwise.",
    )
    won: str | None = Field(
        None,
        min_length=1,
        description="Served experiment that it must have won too: the JSON file or the run of `ab analyse`. The tag "
        "needs_experiment=true of the registered model, or of a version, demands one.",
    )
    seed: Seed = Field(0, description="Seed of the suites' days and of the bootstrap.")
    experiment: str = Field("bidpilot", min_length=1, description="Name of the MLflow experiment.")
