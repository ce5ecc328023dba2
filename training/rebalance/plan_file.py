"""The file between nights: where the horizons begin, and what each night has planned."""

from __future__ import annotations

import json
import os
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bidpilot.bidding.errors import InvalidConfig

_KEPT = 400  # nights


class Horizon(NamedTuple):
    """The days that a portfolio's budget is for, and how many of them are over when `day` begins."""

    first: date
    days: int
    over: int

    @property
    def last(self) -> date:
        """The last day."""
        return self.first + timedelta(self.days - 1)


class Night(BaseModel):
    """What was applied for one day."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    day: date = Field(description="that the budgets are for")
    inputs: str = Field(description="digest of what it was solved from, but for spend and results")
    budgets: dict[str, float] = Field(description="of the day by campaign, currency")
    held: float = Field(description="reserve after the day, currency")


class PlanFile(BaseModel):
    """What is kept between nights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: date = Field(description="first day of the first horizon")
    nights: tuple[Night, ...] = Field((), description="what was applied, in order of days")

    def horizon(self, day: date, days: int) -> Horizon:
        """The horizon of `days` days that `day` lies in: when one is over the next begins.

        Raises:
            InvalidConfig: the first one begins later.
        """
        gone = (day - self.start).days
        if gone < 0:
            raise InvalidConfig(
                f"the first horizon begins on {self.start}, and {day} is to be planned. Run it on the day before, or "
                "give an earlier --start."
            )
        return Horizon(self.start + timedelta(gone - gone % days), days, gone % days)

    def night(self, day: date) -> Night | None:
        """What was applied for a day."""
        return next((night for night in reversed(self.nights) if night.day == day), None)

    def planned(self, name: str, first: date, before: date) -> dict[date, float]:
        """A campaign's budgets as they were planned, by day from `first` up to `before`, currency."""
        nights = (night for night in self.nights if first <= night.day < before)
        return {night.day: night.budgets[name] for night in nights if name in night.budgets}

    def with_night(self, night: Night) -> PlanFile:
        """The file with what was applied for a day, in place of what may have been before."""
        others = [one for one in self.nights if one.day != night.day]
        return self.model_copy(update={"nights": tuple(sorted([*others, night], key=lambda n: n.day)[-_KEPT:])})


def read_plan(path: Path) -> PlanFile | None:
    """The file's content; None where there is none yet.

    Raises:
        InvalidConfig: it cannot be read.
    """
    try:
        return PlanFile.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError, UnicodeDecodeError) as error:
        raise InvalidConfig(
            f"the plan {path} cannot be read ({' '.join(str(error).split())[:200]}). Give another --plan, or move it "
            "away and give --start."
        ) from error


def write_plan(path: Path, plan: PlanFile) -> None:
    """Write it whole or not at all.

    Raises:
        InvalidConfig: it cannot be written.
    """
    text = json.dumps(plan.model_dump(mode="json"), indent=1) + "\n"
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise InvalidConfig(f"the plan {path} cannot be written ({error}). Give another --plan.") from error
