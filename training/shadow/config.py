"""Configuration of `bidpilot shadow`."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

import tyro
from pydantic import Field

from bidpilot.training.cli.config import Config, FigureFile, JsonFile, json_file


class ShadowConfig(Config):
    """Compare the bids of a shadow policy (`bidpilot serve --shadow`) with those that were made, from decision logs."""

    basic: ClassVar[tuple[str, ...]] = ("campaign", "block", "json_file", "figure")
    examples: ClassVar[tuple[str, ...]] = ("bidpilot shadow decisions --figure shadow.png",)

    log: tyro.conf.Positional[Path] = Field(description="Folder of decision logs of a server with a shadow.")
    key_file: Path | None = Field(None, description="The server's --key-file, where its log is encrypted.")
    campaign: str | None = Field(None, min_length=1, description="Campaign; each of the log's where none is named.")
    block: Literal["auto", "day", "hour"] = Field(
        "auto",
        description="What intervals are taken over. auto: days, or hours where the log has fewer than five days; hours "
        "of one day are alike, so that intervals over them are too narrow.",
    )
    preference: tuple[float, float, float] | None = Field(
        None, description="Weights of exposures, interactions, conversions in the worth; the usual where none."
    )
    json_file: JsonFile = json_file("the rows")
    figure: FigureFile = Field(None, description="File to draw the comparison to, as PNG.")
    experiment: str = Field("bidpilot", min_length=1, description="Name of the MLflow experiment.")
