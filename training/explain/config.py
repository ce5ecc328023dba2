"""Configuration of `bidpilot explain`."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import tyro
from pydantic import Field

from bidpilot.training.cli.config import Config, JsonFile, Seed, json_file
from bidpilot.training.evaluation.catalogue import SUITES
from bidpilot.training.evaluation.names import DECIDING
from bidpilot.training.tracking.names import LATEST


class ExplainConfig(Config):
    """Say which features moved alpha in one slot of a played day, and by how much (integrated gradients)."""

    basic: ClassVar[tuple[str, ...]] = ("agent", "suite", "log", "day", "slot", "json_file")
    examples: ClassVar[tuple[str, ...]] = (
        "bidpilot explain --suite daily --day 3 --slot 20",
        "bidpilot explain RUN --log logs/test --slot 30",
        "bidpilot explain --agent mpc",
    )

    run: tyro.conf.Positional[str] = Field(
        LATEST,
        min_length=1,
        description="Training run to explain: id, beginning of an id, or name; `latest`: the last that fits the "
        "market.",
    )
    agent: str | None = Field(
        None,
        min_length=1,
        description=f"Agent by name: {' '.join(DECIDING)}; the run's policy where none is named.",
    )
    suite: str = Field("daily", min_length=1, description=f"Suite whose day is played: {' '.join(SUITES)}.")
    log: Path | None = Field(None, description="Folder of an imported auction log whose day is played instead.")
    day: int = Field(0, ge=0, description="Day of the suite, counted from 0.")
    slot: int = Field(24, ge=0, description="Slot of the day, counted from 0; those before it are played.")
    seed: Seed = Field(0, description="Seed of the suite's days.")
    json_file: JsonFile = json_file("the explanation")
    experiment: str = Field("bidpilot", min_length=1, description="Name of the MLflow experiment.")

    @property
    def named(self) -> str | None:
        """The run that is named; None for the latest."""
        return None if self.run == LATEST else self.run
