"""Configuration of `bidpilot compare`."""

from __future__ import annotations

from typing import ClassVar

import tyro
from pydantic import Field

from bidpilot.training.cli.config import Config, FigureFile, JsonFile, Seed, json_file


class CompareConfig(Config):
    """Say what differs between two trainings, and who did better on held-out days that both were played on."""

    basic: ClassVar[tuple[str, ...]] = ("run", "against", "out", "json_file")
    examples: ClassVar[tuple[str, ...]] = (
        "bidpilot compare d706 8a1c",
        "bidpilot compare latest d706 --out pair.png --json pair.json",
    )

    run: tyro.conf.Positional[str] = Field(
        min_length=1, description="Training run: id, beginning of an id, or name; `latest`: the last."
    )
    against: tyro.conf.Positional[str] = Field(
        min_length=1, description="The training run that it is held against, named likewise."
    )
    out: FigureFile = Field(None, description="File to draw the paired differences to, as an image.")
    seed: Seed = Field(0, description="Seed of the bootstrap.")
    json_file: JsonFile = json_file("what differs, and the paired differences")
