"""Configuration of `bidpilot risks`."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import tyro
from pydantic import Field

from bidpilot.training.cli.config import Config, Count, FigureFile, JsonFile, Seed, json_file
from bidpilot.training.evaluation.catalogue import EVERY


class RisksConfig(Config):
    """List the risks of a live campaign: how likely each is on a day, what it costs, which channel and hour it hits.

    What an effect costs is measured on held-out days, which `mpc` plays with it and without it. How likely it is say
    the markets of suites and, where a state folder or incident files are given, what has been noticed.
    """

    examples: ClassVar[tuple[str, ...]] = (
        "bidpilot risks --figure risks.png",
        "bidpilot risks state --suites shift invalid --json risks.json",
    )

    state: tyro.conf.Positional[Path | None] = Field(
        None, description="State folder of a bid server: its incidents, and the days that it has kept."
    )
    incidents: Path | None = Field(None, description="Folder of incident files, in place of those of the state folder.")
    watched: Count | None = Field(
        None,
        description="Days of campaigns that were watched, with incidents or without; where none, those that the state "
        "folder keeps, or else those from the first incident to the last.",
    )
    suites: tuple[str, ...] = Field(
        (EVERY,), description="Suites whose markets say how likely an effect is, each counted alike."
    )
    days: Count = Field(64, description="Held-out days that the cost of each effect is measured on.")
    seed: Seed = Field(0, description="Seed of the days and of the bootstrap.")
    json_file: JsonFile = json_file("the register, its matrix and its heat maps")
    figure: FigureFile = Field(None, description="File to draw the matrix and the heat maps to, as PNG.")
    experiment: str = Field("bidpilot", min_length=1, description="Name of the MLflow experiment.")
