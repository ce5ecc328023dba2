"""The table of the AuctionNet protocol for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE
from rich.table import Table

from bidpilot.training.report.ends import ends, too_few
from bidpilot.training.report.tables import AgentRow, short_name


class ScoreRow(AgentRow):
    """One agent under one of the scores; the keys are those of the JSON file."""

    score: float  # mean over days of the expected conversions that count
    realised_score: float  # the same of realised conversions
    best_score: float  # mean over days of R*, conversions
    conversions: float  # expected, mean over days
    cpa_ratio: float | None  # over the recorded target, all days' spend over the spend allowed; None: no target
    ratios: list[float]  # (D,) R / R* of each day, so that rows of several calls can be paired
    units: list[int]  # (D,) the unit that each day belongs to


def score_table(rows: Sequence[ScoreRow], title: str) -> Table:
    """One line per agent, the best first.

    R / R* is the interquartile mean; `score` is of expected conversions and `drawn` of realised ones, per day;
    `over` is the share of days above the target.
    """
    table = Table(title=title, title_justify="left", box=SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("agent", no_wrap=True)
    columns = ("score", "drawn", "CPA/target", "over", "spend", "seeds")
    for name in ("R / R*", "95 % interval", "mean", "95 % interval", *columns):
        table.add_column(name, justify="right", no_wrap=True)
    for row in sorted(rows, key=lambda row: -row["iqm"]):
        table.add_row(
            short_name(row["agent"]),
            f"{row['iqm']:.4f}",
            ends(row["ci_low"], row["ci_high"], ".3f"),
            f"{row['mean']:.4f}",
            ends(row["mean_low"], row["mean_high"], ".3f"),
            f"{row['score']:.2f}",
            f"{row['realised_score']:.2f}",
            "" if row["cpa_ratio"] is None else f"{row['cpa_ratio']:.2f}",
            f"{row['violation_rate']:.0%}",
            f"{row['spend_share']:.0%}",
            str(row["seeds"]),
        )
    notes = [f"R* has {rows[0]['best_score']:.2f} a day"] if rows else []
    few = [row["groups"] for row in rows if row["ci_low"] is None]
    table.caption = "; ".join((*notes, *(too_few({"no interval": few[0]}) if few else ()))) or None
    return table
