"""Configuration of `bidpilot alerts`."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from bidpilot.training.alerts.learn import TRAINING_DAYS
from bidpilot.training.cli.config import Config, Count, FigureFile, JsonFile, Seed, json_file


class AlertsConfig(Config):
    """Hold the alarms of a live campaign to their bars: honest days, shocks, outages, a changed market."""

    basic: ClassVar[tuple[str, ...]] = ("days", "seed", "suites", "json_file", "figure")
    examples: ClassVar[tuple[str, ...]] = ("bidpilot alerts --days 256 --figure alerts.png",)

    days: Count = Field(512, description="Held-out days of each case.")
    training_days: Count = Field(TRAINING_DAYS, ge=40, description="Training days that bands are learnt from.")
    suites: tuple[str, ...] = Field(
        ("steady", "week", "delayed", "invalid", "viral", "worlds"),
        description="Suites that are shown beside the bars: how many of their days have an alarm, by risk.",
    )
    seed: Seed = Field(0, description="Seed of training days, of held-out days and of where outages begin.")
    json_file: JsonFile = json_file("the printed rows")
    figure: FigureFile = Field(None, description="File to draw the figure to, as PNG.")
    experiment: str = Field("bidpilot", min_length=1, description="Name of the MLflow experiment.")
