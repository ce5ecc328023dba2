"""Units of an experiment from decision logs, a day each.

An arm is one of a served experiment, which its rows name, or, where none was served, a campaign of the log.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from bidpilot.bidding.errors import InvalidExperiment
from bidpilot.bidding.kpi import KPI
from bidpilot.envs.logs.decision_rows import decision_files, read_decision_rows
from bidpilot.envs.logs.decisions import WON
from bidpilot.envs.logs.outcomes import Plain, as_it_is, read_outcomes
from bidpilot.training.experiments.served import ServedExperiment
from bidpilot.training.experiments.units import OFFERED, PREFERENCE, Units

_READ: Final = ("key", "campaign", "date", *KPI, "result", "cost", "market_price")
_DAY: Final = ["campaign", "date"]


def decision_units(
    folder: Path,
    arms: Sequence[str],
    preference: tuple[float, float, float] = PREFERENCE,
    served: ServedExperiment | None = None,
    plain: Plain = as_it_is,
) -> Units:
    """The days that both arms have in the log, in order: campaigns, or arms of the experiment that was `served`.

    Expected KPIs are those predicted of won exposures; realised interactions and conversions are those that were told
    of them, and the realised exposure is the predicted, as no log tells another. Which wins were invalid, and how many
    users an arm had, no log tells. Prices, and what a fixed rule would have bought, are covariates where prices are
    told of every request. `plain` gives the bytes of a file, decrypted where it is encrypted.

    Raises:
        NoFilesMatched, UnreadableFile, MissingColumn: from the log.
        InvalidExperiment: no day has both arms.
    """
    shares = (0.5, 0.5)
    if served is not None:
        pair = served.pair(tuple(arms))
        arms, both_have = [arm.name for arm in pair], sum(arm.share for arm in pair)
        shares = (pair[0].share / both_have, pair[1].share / both_have)
    if len(arms) != 2:
        raise InvalidExperiment(
            "a decision log does not say who is compared. Give --arms CAMPAIGN CAMPAIGN, control first."
        )
    rows = _rows(folder, served, plain).filter(pl.col("campaign").is_in(list(arms)))
    told = _told(folder, plain)
    offered = rows.with_columns(worth=_worth(rows, preference))
    days = offered.join(told, on="key", how="left").group_by(_DAY).agg(*_totals(offered)).sort("date")
    both, notes = _days_of_both(days, arms)
    if not both:
        there = ", ".join(sorted(set(rows["campaign"]))) or "neither"
        raise InvalidExperiment(
            f"no day of {folder} has both {arms[0]} and {arms[1]}; there is {there}. Name its campaigns."
        )
    parts = [days.filter((pl.col("campaign") == arm) & pl.col("date").is_in(both)).sort("date") for arm in arms]

    def column(name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        return np.stack([part[name].cast(pl.Float64).to_numpy() for part in parts], axis=1)

    unknown = np.full((len(both), 2), np.nan)
    realised = np.stack([column("exposure"), column("told_interaction"), column("told_conversion")], axis=-1)
    return Units(
        arms=(arms[0], arms[1]),
        labels=tuple(both),
        assigned=unknown,
        spend=column("spend"),
        wins=column("wins"),
        invalid_wins=unknown,
        expected=np.stack([column(name) for name in KPI], axis=-1),
        realised=realised,
        offered=np.stack([column(name) for name in OFFERED], axis=-1),
        shares=shares,
        preference=preference,
        notes=notes,
    )


def _days_of_both(days: pl.DataFrame, arms: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """The days of both arms, in order, and what is to be told of those of one alone."""
    control, treated = (set(days.filter(pl.col("campaign") == arm)["date"]) for arm in arms)
    alone = ((arms[1], sorted(control - treated)), (arms[0], sorted(treated - control)))
    return sorted(control & treated), tuple(
        f"{len(left)} days ({_listed(left)}) are left out, as {arm} has no auction in them: where it stood still that "
        "is harm, which nothing here counts"
        for arm, left in alone
        if left
    )


def _listed(days: Sequence[str]) -> str:
    """The first and the last of days, or the only one."""
    return days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"


def _worth(rows: pl.DataFrame, preference: tuple[float, float, float]) -> pl.Expr:
    """The predicted value of a request by the preference, each KPI over its mean of all requests."""
    means = [float(rows[name].mean() or 0.0) for name in KPI]  # type: ignore[arg-type]  # of a column of numbers
    parts = zip(KPI, preference, means, strict=True)
    return pl.sum_horizontal(pl.lit(0.0), *(pl.col(name) * (w / m) for name, w, m in parts if w > 0 and m > 0))


def _totals(rows: pl.DataFrame) -> list[pl.Expr]:
    """What a campaign's day is summed to; the fixed rule bids the price that the median value has."""
    won, price = pl.col("result") == WON, pl.col("market_price")
    level = rows.select((price / pl.col("worth")).filter(pl.col("worth") > 0).median()).item()
    reached = price <= pl.col("worth") * (0.0 if level is None else level)
    told = price.is_null().sum() == 0
    return [
        won.sum().alias("wins"),
        pl.col("cost").filter(won).sum().alias("spend"),
        *(pl.col(name).filter(won).sum().alias(name) for name in KPI),
        *(pl.col(f"told_{name}").filter(won).sum().alias(f"told_{name}") for name in KPI[1:]),
        pl.len().alias("requests"),
        pl.col("worth").mean().alias("value"),
        pl.when(told).then(price.mean()).alias("price"),
        pl.when(told).then(pl.col("worth").filter(reached).sum()).alias("bought"),
        pl.when(told).then(price.filter(reached).sum()).alias("cost"),
    ]


def _rows(folder: Path, served: ServedExperiment | None, plain: Plain) -> pl.DataFrame:
    """The rows of the log; of an experiment those that are part of it, with their arm in place of the campaign."""
    rows = read_decision_rows(decision_files([folder]), _READ, plain, {"experiment": pl.String, "arm": pl.String})
    if served is not None:
        rows = rows.filter(pl.col("experiment") == served.name).with_columns(campaign="arm")
        if not rows.height:
            raise InvalidExperiment(f"no row of {folder} is of {served.name}. Give the folder that it was logged to.")
    return rows.select(*_READ).cast({"market_price": pl.Float64})


def _told(folder: Path, plain: Plain) -> pl.DataFrame:
    """Interactions and conversions that were told of each bid: key, told_interaction, told_conversion."""
    told = read_outcomes(dict.fromkeys(path.parent for path in decision_files([folder])), plain)
    return told.group_by("key").agg(*(pl.col(name).sum().alias(f"told_{name}") for name in KPI[1:]))
