"""Texts of what alarms of a live campaign are held to."""

from __future__ import annotations

from docs.figures.record import Records, Row
from docs.figures.words import Text, listed, paragraph, percent, table

_SHOWN = 3  # risks of a row


def _alerts(records: Records) -> str:
    head = ["case", "bar", "", "found", "median slots", "90 % within", "days with an alarm", "alarms in 30 days"]
    lines = []
    for row in records["alerts"].rows:
        if row["bar"] is not None:
            sought = ["", "", ""] if row["found"] is None else [percent(row["found"], 1), *_slots(row)]
            lines.append([row["case"], row["bar"], "met" if row["met"] else "missed", *sought, *_often(row)])
    return table(head, lines)


def _suites(records: Records) -> str:
    lines = []
    for row in records["alerts"].rows:
        if row["bar"] is None:
            risks = sorted(row["by_risk"].items(), key=lambda item: -item[1])[:_SHOWN]
            said = [f"{risk.replace('_', ' ')} {percent(share, 1)}" for risk, share in risks]
            lines.append([f"`{row['case']}`", *_often(row), listed(said) if said else ""])
    return table(["suite", "days with an alarm", "alarms in 30 days", "days by risk, the most first"], lines)


def _command(records: Records) -> str:
    record = records["alerts"]
    days = record.rows[0]["days"]
    (step,) = record.steps
    return paragraph(
        f"`{step.command}` plays {days} held-out days of each case; bands are those of other days, of the training log."
    )


def _responses(records: Records) -> str:
    record = records["honest"]
    (step,) = record.steps
    said = paragraph(
        f"`{step.command}` plays held-out days of each suite with honest traffic, on which nobody ever acknowledges:"
    )
    levels = ("told", "throttled", "paused", "stopped")
    lines = [
        [f"`{row['suite']}`", str(row["days"]), f"{30 * row['incidents']:.1f}", *(percent(row[k], 1) for k in levels)]
        for row in record.rows
    ]
    head = ["suite", "days", "incidents in 30 days", "days with any", "throttled", "paused", "stopped"]
    return f"{said}\n\n{table(head, lines)}"


def _slots(row: Row) -> list[str]:
    return ["-" if row[key] is None else f"{row[key]:.0f}" for key in ("median", "late")]


def _often(row: Row) -> list[str]:
    return [percent(row["alarm_days"], 1), f"{30 * row['alarms_a_day']:.1f}"]


TEXTS: dict[str, Text] = {
    "alerts": _alerts,
    "alerts-suites": _suites,
    "alerts-command": _command,
    "honest": _responses,
}
