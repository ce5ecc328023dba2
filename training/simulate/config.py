"""Configuration of `bidpilot simulate`."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from bidpilot.training.cli.config import Count, FigureFile
from bidpilot.training.solve.config import SolveConfig

Change = Annotated[float, Field(gt=-1, lt=9)]


class SimulateConfig(SolveConfig):
    """Say what a campaign would bring with another budget, target, preference or other creatives, with intervals."""

    basic: ClassVar[tuple[str, ...]] = ("agent", "days", "horizon", "budgets", "targets", "rates", "log", "check")
    examples: ClassVar[tuple[str, ...]] = (
        "bidpilot simulate examples/cpa.yaml",
        "bidpilot simulate examples/tail.yaml --budgets -0.5 0.5 --log my-log --json what-if.json",
        "bidpilot simulate examples/cpa.yaml --check",
    )

    agent: str = Field(
        "mpc",
        description="What bids: a controller, constant, LEARNER@RUN or choice@RUN, perhaps with *FACTOR, which scales "
        "its bids.",
    )
    days: Annotated[int, Field(ge=8)] = Field(
        256, description="Days of the preset's forecast that are played; of a log all days are."
    )
    horizon: Count = Field(7, description="Days to come whose mean has an interval, beside that of one day.")
    budgets: tuple[Change, ...] = Field(
        (-0.2, -0.1, 0.1, 0.2), description="Relative changes of the budget: 0.1 is 10 % more."
    )
    targets: tuple[Change, ...] = Field(
        (-0.1, -0.05, 0.05, 0.1), description="Relative changes of max_cpa and min_roi, where the campaign has them."
    )
    rates: tuple[Change, ...] = Field(
        (-0.2, -0.1, 0.1, 0.2),
        description="Relative changes of the rates of interaction and conversion: other creatives, whose rates are "
        "known to the predictions.",
    )
    toward: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.15, description="Weight that the preference moves to each KPI in turn, taken from the others by their share."
    )
    profiles: tuple[str, ...] = Field((), description="KPI profiles whose preference is played beside these.")
    check: bool = Field(
        False, description="Play held-out days beside the forecast's, and say how many the intervals cover."
    )
    check_days: Count = Field(512, description="Held-out days of each check on a preset.")
    checks: Count = Field(
        4, description="Checks on a preset, each with a training log and held-out days of its own; of a log, folds."
    )
    figure: FigureFile = Field(None, description="File to draw the figure to, as PNG.")
