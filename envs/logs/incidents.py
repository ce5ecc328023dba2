"""Slots under an incident: left out of what a bid server's decisions teach, each filled from the nearest other day."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

REASON_INCIDENT = "under an incident"
_DAY = 86_400.0  # seconds


@dataclass(frozen=True)
class UnderIncident:
    """What one incident lay over."""

    name: str  # of the incident
    campaign: str  # whose slots; empty: every campaign's
    day: date
    first: int  # slot of that day; below 0 it lies on the day before
    noticed: int  # the slot at whose end it was opened
    lasted: float | None  # seconds from then until it was closed; None: it is open

    def last(self, slots: int) -> float:
        """The last slot under it, counted on from the first of `day`; infinite where it is open."""
        return math.inf if self.lasted is None else self.noticed + math.ceil(self.lasted / (_DAY / slots))


def without_incidents(rows: pl.DataFrame, incidents: Sequence[UnderIncident]) -> tuple[pl.DataFrame, list[str]]:
    """Mark what lies under an incident, in the column `reason`, and say which slots of which days these are, in words.

    Args:
        rows: with campaign, date (YYYY-MM-DD), slot, slots and reason, null where a row is kept.
        incidents: what lies over them.
    """
    if not incidents:
        return rows, []
    day = pl.col("date").str.to_date(strict=False).dt.epoch("d").cast(pl.Int64)
    place = day * pl.col("slots").cast(pl.Int64) + pl.col("slot").cast(pl.Int64)
    lengths = rows["slots"].unique().to_list()
    hit = pl.lit(False)
    for one in incidents:
        of = (pl.col("campaign") == one.campaign) if one.campaign else pl.lit(True)
        begin = one.day.toordinal() - date(1970, 1, 1).toordinal()
        for slots in lengths:
            last = one.last(slots)
            upper = place <= begin * slots + int(last) if math.isfinite(last) else pl.lit(True)
            hit = hit | (of & (pl.col("slots") == slots) & (place >= begin * slots + one.first) & upper)
    kept = pl.col("reason").is_null()
    marked = rows.with_columns(reason=pl.when(hit & kept).then(pl.lit(REASON_INCIDENT)).otherwise("reason"))
    return marked, _said(marked)


def filled(kept: pl.DataFrame, aside: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """The kept rows with those of other days in place of slots that lay under an incident, and what was filled.

    A slot that is left empty would teach that no traffic came. What stands in is the same slot of the same campaign on
    the nearest day that has it; a slot that no other day has stays empty.
    """
    holes = aside.filter(pl.col("reason") == REASON_INCIDENT).select("campaign", "date", "slot").unique()
    if not holes.height:
        return kept, []
    days = kept.select("campaign", "date").unique()
    holes = holes.join(days, on=["campaign", "date"], how="semi")  # a day that is left out whole is no day
    donors = kept.select("campaign", "slot", donor="date").unique()
    apart = (pl.col("date").str.to_date() - pl.col("donor").str.to_date()).dt.total_days().abs()
    chosen = (
        holes.join(donors, on=["campaign", "slot"])
        .filter(pl.col("date") != pl.col("donor"))
        .sort("campaign", "date", "slot", apart, "donor")
        .unique(["campaign", "date", "slot"], keep="first", maintain_order=True)
    )
    terms = kept.group_by("campaign", "date", maintain_order=True).agg(
        pl.col("budget", "conversion_value").last().name.prefix("own_")
    )
    copies = (
        chosen.rename({"date": "hole"})
        .join(kept, left_on=["campaign", "slot", "donor"], right_on=["campaign", "slot", "date"])
        .join(terms.rename({"date": "hole"}), on=["campaign", "hole"])
        .with_columns(date="hole", budget="own_budget", conversion_value="own_conversion_value")
        .select(kept.columns)
    )
    said = [f"{chosen.height} of {holes.height} slots under incidents are those of the nearest other day"]
    return pl.concat([kept, copies]), said


def _said(rows: pl.DataFrame) -> list[str]:
    """Each day's slots that lie under an incident, in words."""
    found = rows.filter(pl.col("reason") == REASON_INCIDENT)
    by_day = found.group_by("campaign", "date").agg(pl.col("slot").unique().sort()).sort("campaign", "date")
    return [
        f"left out, under an incident: {campaign}, {day}, slots {_ranges(slots)}"
        for campaign, day, slots in by_day.iter_rows()
    ]


def _ranges(slots: Sequence[int]) -> str:
    """Numbers in order as ranges: 3-5, 9."""
    parts: list[list[int]] = []
    for slot in slots:
        if parts and slot == parts[-1][-1] + 1:
            parts[-1].append(slot)
        else:
            parts.append([slot])
    return ", ".join(f"{part[0]}-{part[-1]}" if len(part) > 1 else f"{part[0]}" for part in parts)
