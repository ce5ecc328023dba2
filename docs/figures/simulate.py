"""Texts of what-if answers and off-policy estimates: how often their intervals hold what happened."""

from __future__ import annotations

from bidpilot.training.report.simulate import NAMES
from docs.figures.record import Records
from docs.figures.words import Text, percent, table


def _coverage(records: Records) -> str:
    rows = records["what-if"].rows
    lines = []
    for kind in dict.fromkeys(row["kind"] for row in rows):
        for metric in dict.fromkeys(row["metric"] for row in rows if row["kind"] == kind):
            here = sorted(
                (row for row in rows if row["kind"] == kind and row["metric"] == metric), key=lambda row: row["level"]
            )
            cells = [percent(row[key], 1) for row in here for key in ("covered", "worst")]
            lines.append([kind, NAMES[metric], *cells, f"{here[0]['of']:,}"])
    return table(["interval of", "metric", "80 %", "worst scenario", "95 %", "worst scenario", "cases"], lines)


def _truth(records: Records) -> str:
    lines = []
    for row in records["off-policy"].rows:
        judged = row["candidates"] - row["refused"]
        share = percent(row["covered"] / judged) if judged else ""
        numbers = ["" if row[key] is None else percent(row[key], 1) for key in ("bias", "error", "width")]
        counts = [str(row[key]) for key in ("candidates", "refused")]
        lines.append([row["log"], row["metric"], *counts, share, *numbers])
    return table(["log", "metric", "candidates", "refused", "covered", "bias", "error", "width"], lines)


TEXTS: dict[str, Text] = {"what-if": _coverage, "off-policy": _truth}
