"""Configuration of `bidpilot import`."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

import tyro
from pydantic import Field

from bidpilot.training.cli.config import Count, Seed
from bidpilot.training.jobs.config import JobOptions


class ImportConfig(JobOptions):
    """Turn recorded auctions into a log that training and evaluation can read."""

    basic: ClassVar[tuple[str, ...]] = ("out", "force", "mapping", "budget", "name")
    examples: ClassVar[tuple[str, ...]] = (
        "bidpilot import auctionnet period-*.parquet --out logs/auctionnet",
        "bidpilot import mapping auctions.csv --mapping columns.yaml --out logs/mine",
        "bidpilot import mapping day-*.csv --mapping columns.yaml --out logs/mine --parts --workers 2",
        "bidpilot import decisions decisions --out logs/decisions",
    )

    format: tyro.conf.Positional[Literal["auctionnet", "ipinyou", "kuairand", "criteo", "mapping", "decisions"]] = (
        Field(description="Format of the files; mapping: your own, as --mapping says; decisions: a bid server's log.")
    )
    files: tyro.conf.Positional[tuple[Path, ...]] = Field(
        min_length=1,
        description="Files to read, or folders of them: Parquet, or text ending in .csv .tsv .txt .log (or packed: .gz "
        ".bz2 .xz).",
    )
    out: Path = Field(description="Folder to write the log to.")
    force: bool = Field(False, description="Replace a log that is in that folder already.")
    advertiser: int | None = Field(
        None, ge=0, description="Number of the one advertiser to keep; all of them where none is given."
    )
    name: str | None = Field(None, min_length=1, description="Name of the log; the folder's where none.")
    mapping: Path | None = Field(None, description="YAML file that says what each column of your own files is.")
    terms: Literal["last", "first", "most", "refuse"] = Field(
        "last",
        description="Which budget and targets a day has where they change during it: those of its last slot, of its "
        "first, or of most auctions; or refuse the log.",
    )
    lost: Literal["refuse", "set-aside", "draw"] = Field(
        "refuse",
        description="What to do with lost auctions whose prices were not seen: refuse the log, set them aside, or "
        "draw their prices from a landscape fitted on the won ones.",
    )
    key_file: Path | None = Field(
        None, description="File of the key that a bid server has encrypted its decision log with."
    )
    prices_from: Path | None = Field(
        None, description="Imported log whose price model is drawn where the format has no prices."
    )
    interactions_from: Path | None = Field(
        None, description="Imported log whose exposures and interactions are drawn in place of the format's."
    )
    parts: bool = Field(
        False,
        description="Import each file, whole days of its own, as a part of the log, by --workers side by side; parts "
        "are read as one log. For auctionnet and mapping. Parts that are there already are kept, unless --force.",
    )
    budget: float | None = Field(None, gt=0, description="Budget of a day, currency, where the files have none.")
    budget_share: float = Field(
        0.125, gt=0, le=1, description="Else the budget of a day, as a share of what a usual day's auctions cost."
    )
    conversion_value: float | None = Field(
        None, gt=0, description="Worth of a conversion, currency, where the files have none; 1 where none is given."
    )
    incidents: Path | None = Field(
        None,
        description="Folder of a bid server's incident files, in place of the one beside its decisions: slots that lay "
        "under one are left out, and listed; each is filled from the nearest day that has it.",
    )
    keep_incident_slots: bool = Field(False, description="Keep the slots that lay under an incident all the same.")
    episode: Count = Field(1000, description="Auctions per day, where the files have no times.")
    seed: Seed = Field(0, description="Seed of everything that an import draws.")
