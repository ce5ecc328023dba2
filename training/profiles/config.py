"""Configuration of `bidpilot profiles list`, `show` and `propose`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

import tyro
from pydantic import Field

from bidpilot.training.cli.config import Config, FigureFile, JsonFile, Seed, json_file

_FILE = "YAML file of named profiles, such as `profiles propose --out` writes, beside those of the package."


class ListConfig(Config):
    """List the KPI profiles that there are."""

    examples: ClassVar[tuple[str, ...]] = ("bidpilot profiles list", "bidpilot profiles list --file platforms.yaml")

    file: Path | None = Field(None, description=_FILE)
    json_file: JsonFile = json_file("the profiles")


class ShowConfig(Config):
    """Show a KPI profile: what each event counts for, and how the KPIs are weighed."""

    examples: ClassVar[tuple[str, ...]] = (
        "bidpilot profiles show conversion-first",
        "bidpilot profiles show platforms.yaml#shorts",
    )

    name: tyro.conf.Positional[str] = Field(
        min_length=1, description="A profile's name, a YAML file of one, or FILE#NAME in a file of several."
    )
    json_file: JsonFile = json_file("the profile")


class ProposeConfig(Config):
    """Propose new weights for a platform from what the last quarter's orders say, and show what would change."""

    basic: ClassVar[tuple[str, ...]] = ("platform", "present", "out", "budget", "figure", "json_file")
    examples: ClassVar[tuple[str, ...]] = (
        "bidpilot profiles propose logs/quarter --platform shorts --present conversion-first --out platforms.yaml",
        "bidpilot profiles propose decisions --platform shorts --present platforms.yaml#shorts",
    )

    log: tyro.conf.Positional[Path] = Field(
        description="Folder of an imported log that records conversions, or of a bid server's decision logs."
    )
    platform: str = Field(min_length=1, description="The platform, which the new profile is named after.")
    present: str | None = Field(
        None,
        description="The profile as it is: a name, a YAML file, or FILE#NAME; the platform's in --out, or else "
        "the usual preference and weights.",
    )
    least: Annotated[float, Field(ge=0, le=1 / 3)] = Field(
        0.05, description="Weight that a KPI which is weighed now keeps at least."
    )
    budget: Annotated[float, Field(gt=0)] | None = Field(
        None, description="Budget of the day that changes are shown for, currency; the log's mean one where none."
    )
    campaigns: tuple[str, ...] = Field((), description="Campaigns of decision logs; all where none is named.")
    key_file: Path | None = Field(None, description="File of the key that a bid server encrypted its log with.")
    out: Path | None = Field(None, description="YAML file to put the proposed profile into, under the platform's name.")
    seed: Seed = Field(0, description="Seed of the resampling of days.")
    figure: FigureFile = Field(None, description="File to draw the weights to, as an image.")
    json_file: JsonFile = json_file("the proposal")
    experiment: str = Field("bidpilot", min_length=1, description="Name of the MLflow experiment.")
