"""The table and the figure of what alarms are held to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from matplotlib.figure import Figure
from rich.box import SIMPLE
from rich.table import Table

from bidpilot.training.report.style import INK, colours, small_multiples


class AlertRow(TypedDict):
    """One case; the keys are those of the JSON file."""

    case: str
    bar: str | None  # that is to be reached, in words; None: it is only shown
    met: bool | None
    days: int
    alarm_days: float  # share of days with an alarm
    alarms_a_day: float  # mean
    by_risk: dict[str, float]  # share of days with an alarm of each risk, where there is one
    judged: int | None  # days that could be found; None where there is nothing to find
    found: float | None  # share of these
    median: float | None  # slots until then, 1 in the slot that it begins in; None where most are not found
    late: float | None  # 90th percentile of the same
    found_by_slot: list[float]  # share found within 1, 2, ... slots


def alerts_table(rows: Sequence[AlertRow], title: str) -> Table:
    """One line per case: the bar, whether it is met, what was found and how soon."""
    table = Table(title=title, title_justify="left", box=SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("case", no_wrap=True)
    table.add_column("bar")
    for name in ("", "days with an alarm", "alarms in 30 days", "found", "median slots", "90 %"):
        table.add_column(name, justify="right")
    table.add_column("days by risk")
    for row in rows:
        table.add_row(
            row["case"],
            row["bar"] or "",
            "" if row["met"] is None else "met" if row["met"] else "missed",
            f"{row['alarm_days']:.1%}",
            f"{30 * row['alarms_a_day']:.1f}",
            "" if row["found"] is None else f"{row['found']:.1%}",
            *("" if row["found"] is None else _slots(row[key]) for key in ("median", "late")),
            ", ".join(f"{risk} {share:.1%}" for risk, share in _by_share(row)),
        )
    table.caption = (
        "slots: from the slot that it begins in, which is 1, to the end of the one that tells it; found: of days that "
        "have 12 slots left (shocks), of all (interactions), of those with 10 conversions (conversions)"
    )
    return table


def alerts_figure(rows: Sequence[AlertRow]) -> Figure:
    """How soon each case is found, and how many days of each have an alarm."""
    figure, axes = small_multiples(["found within so many slots, % of days", "days with an alarm, %"], 5.4, 3.8)
    soon, often = axes.values()
    sought = [row for row in rows if row["found_by_slot"]]
    shades = colours([row["case"] for row in sought])
    for row in sought:
        slots = range(1, len(row["found_by_slot"]) + 1)
        soon.plot(slots, [100 * share for share in row["found_by_slot"]], color=shades[row["case"]], label=row["case"])
    soon.set_xlim(left=1)
    soon.set_ylim(0, 103)
    soon.set_xlabel("slots since it began")
    if sought:
        soon.legend(frameon=False, fontsize=8, loc="lower right")
    plain = [row for row in rows if not row["found_by_slot"]]
    often.barh([row["case"] for row in plain], [100 * row["alarm_days"] for row in plain], color="#0072b2")
    often.axvline(5, color=INK, linewidth=0.8, linestyle="--")
    often.invert_yaxis()
    often.set_xlabel("dashed: as stated for honest days")
    figure.suptitle("Alarms of a live campaign on held-out days", color=INK, x=0.01, ha="left")
    return figure


def _slots(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


def _by_share(row: AlertRow) -> list[tuple[str, float]]:
    return sorted(row["by_risk"].items(), key=lambda item: -item[1])
