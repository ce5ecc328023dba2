"""Configuration of `bidpilot weekly`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

import tyro
from pydantic import Field

from bidpilot.training.cli.config import FigureFile, JsonFile, Share, json_file
from bidpilot.training.setting.terms import LogTerms

Level = Annotated[float, Field(gt=0, lt=1)]


class WeeklyConfig(LogTerms):
    """Hold the week against the week before, same weekdays paired: what changed, whether a gain lasted, a scorecard."""

    basic: ClassVar[tuple[str, ...]] = ("campaigns", "bundle", "profile", "until", "figure", "json_file")
    examples: ClassVar[tuple[str, ...]] = (
        "bidpilot weekly decisions --campaigns spring --bundle bundles/spring",
        "bidpilot weekly logs/march --profile conversion-first --min-roi 1.5",
    )

    log: tyro.conf.Positional[Path] = Field(
        description="Folder of a bid server's decision logs, or of an imported log, which mpc then plays."
    )
    campaigns: tuple[str, ...] = Field((), description="Campaigns of decision logs; all where none is named.")
    until: str | None = Field(None, description="Last day of the week, YYYY-MM-DD; the last one there is where none.")
    bundle: Path | None = Field(
        None,
        description="Bundle that was served: what its campaign asks for are the limits, what its forecast plans of the "
        "day's budget is what costs are held against. An imported log has a forecast of its own.",
    )
    profile: str | None = Field(
        None, description="KPI profile whose preference is used: a name (`profiles list`), a YAML file, or FILE#NAME."
    )
    pace: tuple[Share, Share] = Field((0.9, 1.0), description="Least and most of a day's budget that is to be spent.")
    max_invalid_share: Share = Field(0.1, description="Most of the wins that may be invalid.")
    alpha: Level = Field(0.05, description="Share of intervals that may miss the truth.")
    key_file: Path | None = Field(None, description="File of the key that a bid server encrypted its log with.")
    figure: FigureFile = Field(None, description="File to draw the two weeks to, as an image.")
    json_file: JsonFile = json_file("the comparison and the scorecard")
    experiment: str = Field("bidpilot", min_length=1, description="Name of the MLflow experiment.")
