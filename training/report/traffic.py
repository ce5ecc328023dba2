"""The table and the figure of the traffic protocol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from matplotlib.figure import Figure
from rich.box import SIMPLE
from rich.table import Table

from bidpilot.training.report.ends import ends
from bidpilot.training.report.style import INK, colours, small_multiples

MOST_CLOSED = 0.001
"""Share of honest sources that may be refused whole on a day."""


_MARKERS = ("o", "s", "^", "D", "v", "X")  # as many as colours that repeat


class TrafficRow(TypedDict):
    """The detector on one market, `mpc` bidding; the keys are those of the JSON file."""

    market: str
    bar: float | None  # that is to be reached; None: it is only shown
    bar_of: str | None  # `share` of the told filter's gain, or `change` of mean R / R*
    met: bool | None
    gain: float  # of mean R / R*, detector minus no filter, paired by day
    gain_low: float | None  # 95 % interval of gain; None below three groups
    gain_high: float | None
    share: float | None  # of the told filter's gain; None where that is below 0.002
    unfiltered: float  # mean R / R*
    detected: float
    told: float
    invalid_share: float  # of requests
    honest_refused: float  # share of valid requests that were refused
    honest_closed: float  # share of honest (day, source) that were refused whole in some slot
    caught: float  # share of invalid requests that were refused
    precision: float | None  # of (day, source) held back, those that sent a burst; None: no burst, or none held back
    recall: float | None  # of (day, source) that sent a burst, those held back from then on; None: no burst
    slots_to_detection: float | None  # median; None where none was held back
    wasted_before: float  # spend on invalid traffic without a filter, share of the budget
    wasted_after: float  # the same behind the detector
    gain_by_day: list[float]  # mean gain by number of the day, where days are in a row
    days: int
    groups: int  # of days, as in `evaluate`


def traffic_table(rows: Sequence[TrafficRow], title: str) -> Table:
    """One line per market, in order: the bar, what was reached, and what was refused."""
    table = Table(title=title, title_justify="left", box=SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("market", no_wrap=True)
    reached = ("bar", "", "gain", "95 % interval", "share")
    refused = ("invalid", "honest refused", "closed", "caught", "precision", "recall", "slots", "money saved")
    for name in (*reached, *refused):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            row["market"],
            _bar(row),
            "" if row["met"] is None else "met" if row["met"] else "missed",
            f"{row['gain']:+.4f}",
            ends(row["gain_low"], row["gain_high"], "+.4f"),
            _optional(row["share"], ".2f"),
            f"{row['invalid_share']:.1%}",
            f"{row['honest_refused']:.2%}",
            f"{row['honest_closed']:.2%}",
            _optional(row["caught"], ".0%"),
            _optional(row["precision"], ".2f"),
            _optional(row["recall"], ".2f"),
            _optional(row["slots_to_detection"], ".1f"),
            f"{row['wasted_before'] - row['wasted_after']:.1%}",
        )
    table.caption = _caption(rows)
    return table


def _caption(rows: Sequence[TrafficRow]) -> str | None:
    """What columns mean, and the bar that all markets share."""
    if not rows:
        return None
    worst = max(rows, key=lambda row: row["honest_closed"])
    kept = "met" if worst["honest_closed"] <= MOST_CLOSED else "missed"
    lines = [
        f"honest sources refused whole a day (closed): at most {MOST_CLOSED:.1%}, {kept}: the most is "
        f"{worst['honest_closed']:.2%} on {worst['market']}",
        "bars are held against the mean, whatever its interval; share: of the gain of the filter that is told; caught: "
        "of invalid requests, refused; precision, recall: of sources and days of which anything was held back; slots: "
        "median from the onset until then; money saved: spend on invalid traffic, share of the budget",
    ]
    for row in rows:
        if by_day := row["gain_by_day"]:
            third = max(1, len(by_day) // 3)
            first, last = sum(by_day[:third]) / third, sum(by_day[-third:]) / third
            lines.append(f"{row['market']}: gain {first:+.4f} on the first third of days, {last:+.4f} on the last")
    return "\n".join(lines)


def traffic_figure(rows: Sequence[TrafficRow]) -> Figure:
    """Precision, recall, slots to detection and money saved over the share of invalid traffic, a point per market.

    Raises:
        ValueError: no market has invalid traffic.
    """
    shown = [row for row in rows if row["invalid_share"] > 0]
    if not shown:
        raise ValueError("no market with invalid traffic: give one")
    saved = {row["market"]: 100 * (row["wasted_before"] - row["wasted_after"]) for row in shown}
    panels: dict[str, dict[str, float | None]] = {
        "precision, share": {row["market"]: row["precision"] for row in shown},
        "recall, share": {row["market"]: row["recall"] for row in shown},
        "slots to detection": {row["market"]: row["slots_to_detection"] for row in shown},
        "money saved, % of budget": {**saved},
    }
    at = {row["market"]: 100 * row["invalid_share"] for row in shown}
    shades = colours(list(at))
    figure, axes = small_multiples(list(panels), 3.4, 3.3)
    for name, panel in axes.items():
        known = {market: value for market, value in panels[name].items() if value is not None}
        for k, market in enumerate(at):
            if market in known:
                marker = _MARKERS[k // len(_MARKERS) % len(_MARKERS)]
                panel.plot(at[market], known[market], marker, color=shades[market], label=market, clip_on=False)
        panel.set_xlim(0.0, 1.1 * max(at.values()))
        panel.set_ylim(0.0, 1.1 * max([1.0, *known.values()]))
        panel.set_xlabel("invalid traffic, % of requests")
    handles, labels = axes["money saved, % of budget"].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=7, frameon=False, fontsize=8)
    figure.suptitle("The traffic detector over markets", color=INK, x=0.01, ha="left")
    return figure


def _bar(row: TrafficRow) -> str:
    if row["bar"] is None:
        return ""
    return f"share {row['bar']:.2f}" if row["bar_of"] == "share" else f"{row['bar']:+.4f}"


def _optional(value: float | None, how: str) -> str:
    return "-" if value is None else format(value, how)
