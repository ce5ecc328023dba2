"""Texts of experiments: how often the analysis errs, how long it takes, and what a shared budget says."""

from __future__ import annotations

from docs.figures.record import Records, Row
from docs.figures.words import Text, percent, table


def _bars(records: Records) -> str:
    lines = []
    for row in (row for row in records["experiments"].rows if "method" in row):
        met = "" if row["bar"] is None else f"{row['bar'].replace('%', ' %')}, {'met' if row['met'] else 'missed'}"
        median = "" if row["median"] is None else f"{row['median']:.0f}"
        truth = row["truth"].replace("%", " %")
        lines.append([row["method"], truth, percent(row["found"], 1), median, met])
    return table(["method", "truth", "found", "median days", "bar"], lines)


def _plan(records: Records) -> str:
    rows = [row for row in records["experiments"].rows if "std" in row]
    lines = []
    for row in rows:
        days = ["" if row[key] is None else f"{row[key]:,}" for key in ("days", "median_days")]
        least = ["" if effect is None else percent(effect, 1) for effect in row["least_effects"]]
        lines.append([row["design"], row["metric"], f"{row['std']:.3f}", *days, *least])
    finds = [f"{days} days find" for days in rows[0]["durations"]]
    return table(["design", "metric", "sd of a unit", "days for 2 %", "median", *finds], lines)


def _shared(records: Records) -> str:
    truth, split, shared = (_experiment(records, design) for design in ("switchback", "split", "shared"))
    return (
        f"an arm that bids half as much again has {_change(truth)} of expected KPI where each arm has all money on "
        f"days of its own, {_change(split)} where money and users are split, and {_change(shared)} where one budget "
        "is shared"
    )


def _experiment(records: Records, design: str) -> Row:
    return records["experiments"].one(control="plan", design=design)


def _change(row: Row) -> str:
    return f"{100 * row['difference']:+.1f} %"


TEXTS: dict[str, Text] = {"experiments": _bars, "experiments-plan": _plan, "experiments-shared": _shared}
