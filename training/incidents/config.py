"""Configuration of `bidpilot incidents`."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import ClassVar, Literal

import tyro
from pydantic import Field

from bidpilot.training.cli.config import Config, Count, JsonFile, Seed, json_file

Action = Literal["list", "show", "replay", "report", "review", "learn", "honest"]
Verdict = Literal["real", "false_alarm", "unclear"]


class IncidentsConfig(Config):
    """Look through the incidents of a bid server, play them again, review them, and learn from reviews.

    `list` shows all, `show ID` one, `replay [ID]` plays one or all again through the response levels and says whether
    the same steps come out, `report` writes an overview, `review` lists what is due or, with an ID, keeps a verdict,
    `learn` says what reviews would change, and writes it with --apply alone. `honest` needs no incidents: it plays
    held-out days on which nothing is wrong and nobody acknowledges, and says which levels are reached.
    """

    basic: ClassVar[tuple[str, ...]] = ("state", "verdict", "note", "out", "apply", "responses")
    examples: ClassVar[tuple[str, ...]] = (
        "bidpilot incidents list --state serving-state",
        "bidpilot incidents replay 2026-11-27-14-default-tracking_outage-campaign",
        "bidpilot incidents review 2026-11-27-14-default-tracking_outage-campaign --verdict real",
        "bidpilot incidents learn --apply responses.json",
    )

    action: tyro.conf.Positional[Action] = Field(description="What to do.")
    id: tyro.conf.Positional[str | None] = Field(None, description="Name of an incident; all where none.")
    state: Path = Field(Path("serving-state"), description="State folder of the bid server.")
    responses: Path | None = Field(
        None, description="File of response rules to play by; those built in where none, as for `bidpilot serve`."
    )
    decisions: Path | None = Field(
        None, description="Folder of the decision log, to hold an incident's slots against when it is played again."
    )
    bundle: Path | None = Field(
        None, description="Folder of the bundle that was served, to hold an incident's slots against its bands again."
    )
    verdict: Verdict | None = Field(None, description="What a review has found.")
    note: str = Field("", max_length=2000, description="What a review has found, in words.")
    today: date | None = Field(None, description="Day by which reviews are due; today where none.")
    most_delay: int = Field(1, ge=0, description="Slots that real incidents may be noticed later for what is learnt.")
    apply: Path | None = Field(None, description="File of response rules to write what was learnt to, as JSON.")
    out: Path = Field(Path("incidents-report"), description="Folder to write the report to.")
    days: Count = Field(256, description="Held-out days of each suite that honest plays.")
    training_days: Count = Field(1024, ge=40, description="Training days that its bands are learnt from.")
    suites: tuple[str, ...] = Field((), description="Suites that honest plays; all with honest traffic where none.")
    seed: Seed = Field(0, description="Seed of those days.")
    json_file: JsonFile = json_file("what was found")
