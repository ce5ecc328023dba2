"""Configuration of `bidpilot sources`."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import tyro
from pydantic import Field

from bidpilot.training.cli.config import Config, Count, FigureFile, JsonFile, json_file


class SourcesConfig(Config):
    """Review a recorded log: which sources the detector limits or refuses, why, and what money that saves."""

    examples: ClassVar[tuple[str, ...]] = ("bidpilot sources logs/mine --top 10 --figure sources.png",)

    log: tyro.conf.Positional[Path] = Field(description="Folder of an imported auction log.")
    forecast: str | None = Field(
        None,
        min_length=1,
        description="Whose forecast says what each source usually sends: a training run by id or name, or folder "
        "of an imported log of other days; where none, all days of the log itself, those under review among them.",
    )
    top: Count = Field(
        20, description="Sources and days to print, those that save the most money first; files have all."
    )
    json_file: JsonFile = json_file("the review")
    figure: FigureFile = Field(None, description="File to draw the heat map to, as PNG.")
    experiment: str = Field("bidpilot", min_length=1, description="Name of the MLflow experiment.")
