"""Configuration of `bidpilot evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from bidpilot.agents.learners.catalogue import DEFAULT
from bidpilot.training.cli.config import THREADS, Count, JsonFile, Seed, json_file
from bidpilot.training.evaluation.catalogue import DEFAULT_SUITES, EVERY, SUITES
from bidpilot.training.evaluation.names import CHOICE, REFERENCES, TRAFFIC_REFERENCES, UNTUNED
from bidpilot.training.jobs.config import JobOptions
from bidpilot.training.setting.terms import LogTerms


class EvaluateConfig(LogTerms, JobOptions):
    """Play agents over held-out days, print R / R* per suite and the paired differences."""

    basic: ClassVar[tuple[str, ...]] = ("agents", "suites", "log", "days", "pairs", "json_file")
    examples: ClassVar[tuple[str, ...]] = (
        f"bidpilot evaluate --agents adaptive {DEFAULT} --suites steady daily",
        f"bidpilot evaluate --agents {DEFAULT}@RUN,RUN,RUN choice@RUN --suites all --json rows.json",
        f"bidpilot evaluate --log logs/test --agents mpc {DEFAULT}",
    )

    agents: tuple[str, ...] = Field(
        (),
        description=f"Agents by name: {' '.join(UNTUNED)}; NAME_tuned for a baseline with the gains that tuning found, "
        f"NAME_neutral with its defaults; or {DEFAULT}@RUN for a particular training run, "
        f"{DEFAULT}@RUN,RUN,RUN for one agent over seeds, {CHOICE}@RUN for what a run exports; where none is named, "
        f"all but experimental ones. {' and '.join(REFERENCES)}, which is told the levels to come, are always played; "
        f"{' and '.join(TRAFFIC_REFERENCES)}, which is told the invalid traffic, where there is some.",
    )
    suites: tuple[str, ...] = Field(
        (),
        description=f"Suites by name: {' '.join(SUITES)}, or {EVERY}; {' and '.join(DEFAULT_SUITES)} where none is "
        "named and no log is given.",
    )
    front: bool = Field(
        False,
        description="Play 15 preferences instead, and compare the totals with the front of the hindsight optimum: "
        "hypervolume share and worst utility loss. On daily where no suite is named, "
        f"with {DEFAULT} where no agent is.",
    )
    log: Path | None = Field(
        None,
        description="Folder of an imported auction log; its name becomes the suite's. Played under forecast and "
        "campaign of the log's own training part: of the runs that are named, or of the one log that was trained on "
        "and may be of its market.",
    )
    forecast: str | None = Field(
        None,
        min_length=1,
        description="Whose forecast a log is played under, in place of its own training part's: a training run by id "
        "or name, or folder of an imported log of other days.",
    )
    pairs: Literal["mpc", "all"] = Field(
        "mpc", description="Paired differences that are printed: those against mpc, or of all agents; files have all."
    )
    days: Count = Field(512, description="Held-out days per suite; a log's suite has the days it has.")
    seed: Seed = Field(0, description="Seed of the suites' days and of the bootstrap.")
    cpa_margin: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0,
        description="Share of a target cost per conversion that agents keep free: they are told (1 - margin) times the "
        "target, and scored by the target itself. On a log that records targets, the days' own.",
    )
    traffic_filter: bool = Field(
        True,
        description="Whether agents play behind the traffic detector; it needs a forecast that tells sources apart.",
    )
    threads: Count = Field(1, description=THREADS)
    json_file: JsonFile = json_file("the printed rows")
    experiment: str = Field("bidpilot", min_length=1, description="Name of the MLflow experiment.")
