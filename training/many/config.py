"""Configuration of `bidpilot train-many` and `bidpilot evaluate-many`."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import tyro
from pydantic import Field

from bidpilot.training.cli.config import Count, JsonFile, Seed, json_file
from bidpilot.training.jobs.config import JobOptions
from bidpilot.training.train.config import TrainConfig

_TRAINING = TrainConfig()


class ManyConfig(JobOptions):
    """What both share."""

    folder: tyro.conf.Positional[Path] = Field(
        description="Folder of campaign files (YAML, as `bidpilot solve` takes them) or of imported logs, a folder "
        "each."
    )
    days: Count = Field(64, description="Days that each campaign is played on.")
    seed: Seed = Field(0, description="Seed of markets and days.")
    fresh: bool = Field(False, description="Do all anew; otherwise campaigns that were done alike are taken as found.")
    json_file: JsonFile = json_file("the printed rows")
    experiment: str = Field("bidpilot", min_length=1, description="Name of the MLflow experiment.")


class TrainManyConfig(ManyConfig):
    """Plan every campaign of a folder, and say for each who is to bid: one policy for all of a market, where it wins.

    Campaigns of one market share market, forecast and policy; a log has its own. Who bids for a campaign is judged on
    days that trained nothing, the policy against the controllers.
    """

    basic: ClassVar[tuple[str, ...]] = ("policy", "total_steps", "days", "workers", "json_file")
    examples: ClassVar[tuple[str, ...]] = (
        "bidpilot train-many campaigns --workers 2",
        "bidpilot train-many logs --backend ray --address auto",
    )

    policy: str | None = Field(
        None,
        min_length=1,
        description="Training run on a preset whose policy its campaigns share: id, beginning of an id, or name. Where "
        "none is named, the last one that fits; one is trained where there is none.",
    )
    total_steps: int = Field(
        _TRAINING.total_steps,
        ge=0,
        description="Length of a training of a market or log that has no policy, environment steps; 0: imitation.",
    )
    train: bool = Field(True, description="Whether one is trained where there is none; else controllers alone play.")


class EvaluateManyConfig(ManyConfig):
    """Play every campaign of a folder on held-out days, with whom `train-many` chose for it, beside `mpc`."""

    basic: ClassVar[tuple[str, ...]] = ("days", "workers", "json_file")
    examples: ClassVar[tuple[str, ...]] = ("bidpilot evaluate-many campaigns --workers 2 --json rows.json",)
