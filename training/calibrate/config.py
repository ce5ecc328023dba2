"""Configuration of `bidpilot calibrate`."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import tyro
from pydantic import Field

from bidpilot.training.cli.config import Carries, Config, Count, Seed


class CalibrateConfig(Config):
    """Fit a market to an imported log, so that any number of days like its own can be drawn."""

    examples: ClassVar[tuple[str, ...]] = (
        "bidpilot calibrate logs/mine --out logs/like-mine",
        "bidpilot train --log logs/like-mine",
    )

    log: tyro.conf.Positional[Path] = Field(description="Folder of the imported auction log.")
    out: Path = Field(description="Folder to write the market to; train on it with `train --log FOLDER`.")
    name: str | None = Field(None, min_length=1, description="Name of the market; made from the log's where none.")
    level_slots: Count | None = Field(
        None, description="Slots over which a value or price level lasts; 8, or what divides the day, where none."
    )
    traffic_slots: Count | None = Field(
        None, description="Slots over which a traffic level lasts; 4, or what divides level-slots, where none."
    )
    carries: Carries = "auto"
    days: Count = Field(200, description="Days drawn to compare the market with the log.")
    seed: Seed = Field(0, description="Seed of those days.")
