"""Configuration of `bidpilot fit-predictor`."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import tyro
from pydantic import Field

from bidpilot.training.cli.config import Config, FigureFile, JsonFile, json_file


class FitPredictorConfig(Config):
    """Learn the rates of a bid server's built-in predictor from its decision log, and judge them on its last days."""

    basic: ClassVar[tuple[str, ...]] = ("log", "out", "held_out")
    examples: ClassVar[tuple[str, ...]] = (
        "bidpilot fit-predictor decisions --out predictor.json",
        "bidpilot serve bundle --predictor-file predictor.json",
    )

    log: tyro.conf.Positional[Path] = Field(
        description="Folder of a bid server's decision log, or of one that was imported."
    )
    out: Path = Field(description="File to write the rates to, as JSON.")
    held_out: int | None = Field(
        None,
        ge=0,
        description="Last days that the rates are judged on, learned from those before; a fifth of them where none is "
        "given. What is written is learned from all days.",
    )
    key_file: Path | None = Field(
        None, description="File of the key that the bid server has encrypted its decision log with."
    )
    incidents: Path | None = Field(
        None,
        description="Folder of the server's incident files, in place of the one beside its decisions: what lay under "
        "one teaches nothing.",
    )
    keep_incident_slots: bool = Field(False, description="Learn from what lay under an incident all the same.")
    json_file: JsonFile = json_file("the calibration")
    figure: FigureFile = Field(None, description="File to draw the calibration curves to, as PNG or SVG.")
    experiment: str = Field("bidpilot", min_length=1, description="Name of the MLflow experiment.")
