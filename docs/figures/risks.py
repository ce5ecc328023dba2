"""Texts of what risks cost, and of what the game day and honest days show."""

from __future__ import annotations

from docs.figures.record import Records
from docs.figures.words import Text, paragraph, percent, signed, span, table


def _risks(records: Records) -> str:
    """The entries, the dearest a day first."""
    lines = []
    for row in sorted(records["risks"].rows, key=lambda row: -(row["expected"] or 0.0)):
        lost = ["", "", ""]
        if row["ratio_lost"] is not None:
            ends = "" if row["ratio_low"] is None else f" ({span(row['ratio_low'], row['ratio_high'])})"
            lost = [signed(row["ratio_lost"]) + ends, percent(row["value_lost"], 1), percent(row["unspent"], 1)]
        chance = f"{row['likelihood']:.2f} ({span(row['likelihood_low'], row['likelihood_high'], 2)})"
        lines.append([f"`{row['risk']}`", row["effect"], *lost, percent(row["money_lost"], 1), chance, row["rank"]])
    head = ["risk", "effect", "R / R* lost", "R lost", "unspent", "impact", "a day, by the suites", "rank"]
    return table(head, lines)


def _game_day(records: Records) -> str:
    """When each fault was noticed, then what the three plays came to."""
    rows = records["game-day"].rows
    faults = [
        [
            row["fault"],
            str(row["bar"]),
            _slot(row["noticed"]),
            f"{row['alone_unguarded']:.2f}",
            f"{row['alone_guarded']:.2f}",
        ]
        for row in rows
        if "fault" in row
    ]
    plays = [row for row in rows if "play" in row]
    money = [
        ["spent on bots", *(f"{row['wasted']:.2f}" for row in plays)],
        ["held at most for wins without bills", *(f"{row['held']:.2f}" for row in plays)],
        ["value against the day without faults", *(percent(row["value"], 1) for row in plays)],
        ["money lost against it", *(f"{row['lost']:.2f}" for row in plays)],
    ]
    told = ["fault", "to be noticed within, slots", "noticed in its slot"]
    noticed = table([*told, "costs alone, without the guard", "with it"], faults)
    head = [f"of a budget of {plays[0]['budget']:g}", *(row["play"] for row in plays)]
    return f"{noticed}\n\n{table(head, money)}"


def _slot(slots: int | None) -> str:
    return "not noticed" if slots is None else str(slots)


def _honest_days(records: Records) -> str:
    (row,) = records["honest-days"].rows
    risks = ", ".join(f"{count} `{risk}`" for risk, count in sorted(row["by_risk"].items())) or "none"
    return paragraph(
        f"On {row['days']} honest days in a row the guard told of {row['incidents']} incidents on {row['days_with']} "
        f"of them ({risks}), {row['incidents'] / row['days']:.2f} a day; {row['stops']} stopped the campaign. What it "
        f"did about them cost {percent(row['value_lost'], 2)} of the value."
    )


def _game_days(records: Records) -> str:
    """How often each fault is noticed on days of other seeds, and what all of them cost."""
    *faults, total = records["game-days"].rows
    lines = [
        [row["fault"], f"{row['found']} of {row['days']}", str(row["in_time"]), f"{row['median']:g}"] for row in faults
    ]
    words = (
        f"{total['passed']} of these {total['days']} days passed. The faults cost {total['unguarded']:.2f} a day "
        f"without the guard and {total['guarded']:.2f} with it, of a budget of {total['budget']:g}; level 3 stopped "
        f"the campaign {total['stops']} times, and on {'every' if total['money_held'] else 'not every'} day all "
        "conditions of money held."
    )
    return f"{table(['fault', 'noticed on', 'of them in time', 'median slot'], lines)}\n\n{paragraph(words)}"


TEXTS: dict[str, Text] = {
    "risks": _risks,
    "game-day": _game_day,
    "game-days": _game_days,
    "honest-days": _honest_days,
}
