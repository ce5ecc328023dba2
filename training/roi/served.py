"""Purchases from a bid server's decision log: exposures that were won and billed, and what was told of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bidpilot.bidding.errors import NothingBought, UnevenDays, UnknownCampaign
from bidpilot.bidding.event import EVENTS
from bidpilot.bidding.kpi import KPI
from bidpilot.envs.logs.decision_rows import decision_files, read_decision_rows
from bidpilot.envs.logs.decisions import WON
from bidpilot.envs.logs.outcomes import Plain, as_it_is, read_outcomes
from bidpilot.training.experiments.served import share_of
from bidpilot.training.roi.purchases import Array, Asked, Purchases, Valued

_READ: Final = (
    "key", "campaign", "date", "slot", "slots", "segment", "source", *KPI, "result", "cost", "budget",
    "conversion_value",
)  # fmt: skip
NOTE_UNTOLD: Final = "no outcome was told: what came of exposures is taken to be what was expected"
NOTE_INVALID: Final = "which wins were invalid nobody tells"


def served_purchases(
    files: Sequence[Path], campaigns: Sequence[str] = (), plain: Plain = as_it_is, name: str = ""
) -> Purchases:
    """What campaigns of a decision log bought, all of them where none is named.

    A day is a date on which one of them was served. A conversion told with its worth is worth that, one without is
    worth its campaign's conversion value; events of a bid count once by type, as they are booked.

    Args:
        files: folders or files of decision logs; `outcomes-*.parquet` lie beside them.
        campaigns: whose exposures.
        plain: gives the bytes of a file, decrypted where it is encrypted.
        name: what the purchases are called; the campaigns' names where empty.

    Raises:
        NoFilesMatched, UnreadableFile, MissingColumn: from the files.
        UnknownCampaign: none of a named campaign's auctions are there.
        UnevenDays: days of different numbers of slots.
        NothingBought: nothing was won.
    """
    paths = decision_files(files)
    rows = read_decision_rows(paths, _READ, plain)
    there = sorted(set(rows["campaign"]))
    absent = [campaign for campaign in campaigns if campaign not in there]
    if absent:
        raise UnknownCampaign(f"{absent[0]} is no campaign of the log; there is {', '.join(there)}. Name one of them.")
    rows = rows.filter(pl.col("campaign").is_in(list(campaigns or there)))
    if rows["slots"].n_unique() > 1:
        raise UnevenDays(f"The rows have days of {sorted(rows['slots'].unique())} slots. Give them apart.")
    days = tuple(sorted(set(rows["date"])))
    won = rows.filter(pl.col("result") == WON)
    title = name or ", ".join(campaigns or there)
    if not won.height:
        raise NothingBought(f"{title} won no exposure from {days[0]} to {days[-1]}. Give days on which it did.")
    told = read_outcomes({path.parent: None for path in paths}, plain)
    return _purchases(won, told, days, tuple(sorted(set(rows["segment"]))), _asked(rows, days, paths), title)


def _purchases(
    won: pl.DataFrame,
    told: pl.DataFrame,
    days: tuple[str, ...],
    segments: tuple[str, ...],
    asked: tuple[Asked, ...],
    name: str,
) -> Purchases:
    """`segments` are all that had requests, whether or not something was won there."""
    outcomes = told.join(won.select("key", worth="conversion_value"), on="key", how="inner")
    found = won.select("key").join(_by_bid(outcomes), on="key", how="left", maintain_order="left").fill_null(0)
    kpi = won.select(KPI).cast(pl.Float64).to_numpy()
    worth = won["conversion_value"].cast(pl.Float64).to_numpy()
    unknown: tuple[str, ...]
    if outcomes.height:
        interacted, converted, value = (_numbers(found, column) for column in ("interaction", "conversion", "value"))
        valued, unknown = _valued(outcomes), (NOTE_INVALID,)
    else:
        interacted, converted, value = kpi[:, 1], kpi[:, 2], kpi[:, 2] * worth
        valued, unknown = Valued.expected, (NOTE_UNTOLD, NOTE_INVALID)
    typed = bool(outcomes["event"].is_not_null().any())
    return Purchases(
        name=name,
        days=days,
        budget=np.bincount([one.day for one in asked], [one.budget for one in asked], len(days)).astype(np.float64),
        slots=int(won["slots"][0]),
        segments=segments,
        day=_places(won["date"], days),
        slot=won["slot"].cast(pl.Int64).to_numpy(),
        segment=_places(won["segment"], segments),
        source=won["source"].cast(pl.Int64).to_numpy(),
        cost=_numbers(won, "cost"),
        kpi=kpi,
        interacted=interacted,
        converted=converted,
        value=value,
        valued=valued,
        funnel=found.select(EVENTS).cast(pl.Int64).to_numpy() if typed else None,
        asked=asked,
        notes=unknown,
    )


def _by_bid(outcomes: pl.DataFrame) -> pl.DataFrame:
    """What each bid brought: interactions, conversions and their worth, and counts of events."""
    each = pl.when(pl.col("event").is_null()).then("conversion").otherwise("count")
    worth = pl.col("value").fill_null(pl.col("worth")) * each
    converts = pl.col("event").is_null() | (pl.col("event") == "convert")
    return outcomes.group_by("key").agg(
        pl.col("interaction", "conversion").sum(),
        worth.filter(converts).sum().alias("value"),
        *(pl.col("count").filter(pl.col("event") == event).sum().alias(event) for event in EVENTS),
    )


def _valued(outcomes: pl.DataFrame) -> Valued:
    """Whether conversions were told with their worth."""
    converts = outcomes.filter(pl.col("conversion") > 0)["value"].is_not_null()
    if not converts.any():
        return Valued.constant
    return Valued.orders if converts.all() else Valued.mixed


def _asked(rows: pl.DataFrame, days: tuple[str, ...], paths: Sequence[Path]) -> tuple[Asked, ...]:
    """What each campaign had on each of its days: the last that its rows say, and an arm its share of the traffic."""
    folders = list(dict.fromkeys(path.parent for path in paths))
    share = {campaign: share_of(campaign, *folders) for campaign in set(rows["campaign"])}
    last = rows.group_by("date", "campaign", maintain_order=True).agg(pl.col("budget", "conversion_value").last())
    terms = last.sort("date", "campaign").iter_rows()
    return tuple(
        Asked(days.index(date), campaign, float(b), float(worth), share[campaign]) for date, campaign, b, worth in terms
    )


def _places(column: pl.Series, names: tuple[str, ...]) -> NDArray[np.int64]:
    return column.replace_strict(list(names), list(range(len(names))), return_dtype=pl.Int64).to_numpy()


def _numbers(frame: pl.DataFrame, column: str) -> Array:
    return frame[column].cast(pl.Float64).to_numpy()
