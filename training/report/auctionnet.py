"""The table of the AuctionNet protocol for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from rich.box import SIMPLE
from rich.table import Table

from bidpilot.training.report.ends import ends, too_few


class ScoreRow(TypedDict):
    """One agent over the test days; the keys are those of the JSON file."""

    agent: str
    iqm: float  # interquartile mean of R / R*
    iqm_low: float | None  # 95 % interval of iqm, by period; None where there are too few of them
    iqm_high: float | None
    mean: float  # mean of R / R*
    mean_low: float | None  # 95 % interval of mean
    mean_high: float | None
    score: float  # mean over days of the penalised expected conversions
    realised_score: float | None  # the same of realised conversions; None for the hindsight optimum
    conversions: float  # expected, mean over days
    cpa_ratio: float | None  # CPA over its target, all days' spend over all days' allowed spend; None: no conversion
    over_target: float  # share of days whose CPA is above the target, by more than a thousandth
    spend_share: float  # spend / budget, mean over days, in [0, 1]
    days: int
    groups: int  # periods that the days share


def score_table(rows: Sequence[ScoreRow], title: str) -> Table:
    """One line per agent, the best first.

    R / R* is the interquartile mean; `score` is of expected conversions and `drawn` of realised ones, per day;
    `over` is the share of days above the target.
    """
    table = Table(title=title, title_justify="left", box=SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("agent")
    for name in ("R / R*", "95 % interval", "mean", "95 % interval", "score", "drawn", "CPA/target", "over", "spend"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in sorted(rows, key=lambda row: -row["iqm"]):
        table.add_row(
            row["agent"],
            f"{row['iqm']:.4f}",
            ends(row["iqm_low"], row["iqm_high"], ".3f"),
            f"{row['mean']:.4f}",
            ends(row["mean_low"], row["mean_high"], ".3f"),
            f"{row['score']:.2f}",
            "" if row["realised_score"] is None else f"{row['realised_score']:.2f}",
            "" if row["cpa_ratio"] is None else f"{row['cpa_ratio']:.2f}",
            f"{row['over_target']:.0%}",
            f"{row['spend_share']:.0%}",
        )
    few = [row["groups"] for row in rows if row["iqm_low"] is None]
    table.caption = "; ".join(too_few({"no interval": few[0]})) if few else None
    return table
