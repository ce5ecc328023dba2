"""Configuration of `bidpilot report`."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import tyro
from pydantic import Field

from bidpilot.training.cli.config import Config, Count, Seed

DEFAULT_OUT = Path("report.html")


class ReportConfig(Config):
    """Say what the money bought, as one HTML file that needs nothing but itself.

    Of a run of train, solve, pareto or evaluate, of the folder of an imported log, or of the folder of a bid server's
    decisions. What a run or a log would buy is played; decisions tell what was bought. A section whose data is missing
    says what would bring it.
    """

    basic: ClassVar[tuple[str, ...]] = ("out", "interactive", "bundle", "state", "agent", "days")
    examples: ClassVar[tuple[str, ...]] = (
        "bidpilot report decisions --bundle bundle --state serving-state --out report.html",
        "bidpilot report logs/mine --agent mpc --out report.html",
        "bidpilot report RUN --interactive --out report.html",
    )

    source: tyro.conf.Positional[str] = Field(
        min_length=1,
        description="A run by id, beginning of an id, or name; the folder of an imported log; or the folder of a bid "
        "server's decisions.",
    )
    out: Path = Field(DEFAULT_OUT, description="File to write the report to.")
    interactive: bool = Field(
        False, description="Figures that answer the mouse, by plotly, which stands in the file: some 5 MB."
    )
    agent: str | None = Field(
        None,
        min_length=1,
        description="Who plays the days of a run or log, a controller by name; mpc, or what a training run exports, "
        "where none is named.",
    )
    days: Count = Field(28, description="Held-out days that a run on a preset plays; a log has the days it has.")
    forecast: str | None = Field(
        None,
        min_length=1,
        description="Whose forecast a log is played under: a training run by id or name, or folder of an imported log "
        "of other days; where none, the log's own days, those that are played among them.",
    )
    bundle: Path | None = Field(
        None, description="Folder of the bundle that was served: plan, constraints and front of a bid server's days."
    )
    state: Path | None = Field(
        None, description="State folder of the bid server, whose incidents are told; those beside decisions where none."
    )
    campaign: tuple[str, ...] = Field((), description="Campaigns of a decision log; all of them where none is named.")
    key_file: Path | None = Field(
        None, description="File of the key that a bid server has encrypted its decision log with."
    )
    points: int = Field(9, ge=0, le=200, description="Plans that the front is traced by; 0 leaves it out.")
    slot: int | None = Field(
        None, ge=0, description="Slot of the first day whose decision is explained; the middle of the day where none."
    )
    seed: Seed = Field(0, description="Seed of the days that are drawn.")
    experiment: str = Field("bidpilot", min_length=1, description="Name of the MLflow experiment.")
