"""Configuration of `bidpilot solve` and `bidpilot pareto`."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

import tyro
from pydantic import Field

from bidpilot.training.cli.config import JsonFile, Seed, json_file
from bidpilot.training.setting.terms import CampaignTerms


class SolveConfig(CampaignTerms):
    """Plan a campaign or a portfolio: what to spend when and where, what to bid, what each constraint costs."""

    basic: ClassVar[tuple[str, ...]] = ("market", "log", "json_file")
    examples: ClassVar[tuple[str, ...]] = (
        "bidpilot solve examples/balanced.yaml",
        "bidpilot solve examples/portfolio.yaml --json plan.json",
    )

    file: tyro.conf.Positional[Path] = Field(
        description="YAML file of a campaign (market, profile, campaign) or of a portfolio (market, profile, "
        "campaigns and their budget)."
    )
    market: Literal["daily", "steady"] | None = Field(
        None, description="Preset of the synthetic market; the file's, or daily, where none."
    )
    log: Path | None = Field(None, description="Folder of an imported auction log to forecast from instead.")
    profile: str | None = Field(
        None,
        description="KPI profile in place of the file's: a name (`profiles list`), a YAML file, or FILE#NAME; its "
        "preference is then that of every campaign of the file.",
    )
    seed: Seed = Field(0, description="Seed of the synthetic market's log and forecast days.")
    json_file: JsonFile = json_file("the result")
    experiment: str = Field("bidpilot", min_length=1, description="Name of the MLflow experiment.")


class ParetoConfig(SolveConfig):
    """Trace what each KPI of a campaign costs in the others, under its budget and constraints."""

    basic: ClassVar[tuple[str, ...]] = ("points", "market", "log", "json_file")
    examples: ClassVar[tuple[str, ...]] = ("bidpilot pareto examples/balanced.yaml --points 24",)

    points: int = Field(16, ge=3, le=200, description="Plans to solve for; about two thirds by preference.")
