"""Tables and the figure of a week against the week before, and of the scorecard."""

from __future__ import annotations

from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from bidpilot.training.report.ends import ends
from bidpilot.training.report.style import INK, new_figure, tidy
from bidpilot.training.report.tables import print_table
from bidpilot.training.roi.intervals import Verdict
from bidpilot.training.weekly.scorecard import RULES, Part, Scorecard, ScoreLine
from bidpilot.training.weekly.weeks import Difference, WeekComparison

_NOW, _BEFORE, _WORSE = "#0072b2", "#777777", "#d55e00"
_PARTS: Final[tuple[Part, ...]] = ("compliance", "cost", "efficiency")


def print_week(week: WeekComparison, card: Scorecard, before: Scorecard, console: Console) -> None:
    """What changed, the scorecard with its rules, and what may be said of the week, last."""
    title = f"{week.name}: {week.days[0]} to {week.days[-1]} against {week.before[0]} to {week.before[-1]}"
    print_table(difference_table(week, title), console)
    print_table(score_table(card, before), console)
    for part in _PARTS:
        console.print(f"{part}: {RULES[part]}", soft_wrap=True)
    for line in card.lines:
        told = f" ({line.why})" if line.why else ""
        console.print(f"  {line.name}: {line.rule}{told}", soft_wrap=True)
    for note in week.notes:
        console.print(f"note: {note}", soft_wrap=True)
    console.print(week.told, soft_wrap=True)


def difference_table(week: WeekComparison, title: str) -> Table:
    """One line per measure, the one that is said of the week first."""
    table = _table(title, "measure", "before", "now", "change", "interval", "")
    for difference in (week.utility, *week.differences):
        table.add_row(*_difference_cells(difference), end_section=difference is week.utility)
    table.caption = f"{len(week.days)} pairs of the same weekday; each interval is for itself, so one in twenty misses"
    return table


def score_table(card: Scorecard, before: Scorecard) -> Table:
    """One line per limit, cost and result, each part's own number above them."""
    table = _table("Scorecard", "", "found", "interval", "target", "score", "week before")
    for part in _PARTS:
        own, then = getattr(card, part), getattr(before, part)
        table.add_row(part, "", "", "", _score(own, part), _score(then, part), style="bold")
        old = {line.name: line for line in before.of(part)}
        lines = card.of(part)
        for line in lines:
            table.add_row(*_line_cells(line, old.get(line.name)), end_section=line is lines[-1])
    return table


def week_figure(week: WeekComparison) -> Figure:
    """Utility per money by day of both weeks, and the change of each measure with its interval."""
    figure = new_figure(10.0, 4.2)
    left, right = (tidy(axes) for axes in figure.subplots(1, 2, width_ratios=(1, 1.2)))
    place, base = np.arange(len(week.days)), week.utility.before or 1.0
    for values, shade, label in ((week.daily[1], _BEFORE, "week before"), (week.daily[0], _NOW, "this week")):
        known = [(k, value / base) for k, value in enumerate(values) if value is not None]
        left.plot([k for k, _ in known], [value for _, value in known], "o-", color=shade, label=label)
    left.set_xticks(place, [day[-5:] for day in week.days], rotation=45)
    left.set_ylabel("of the week before's")
    left.set_title("Utility per money, same weekdays", color=INK, loc="left", fontsize=10)
    left.legend(frameon=False, fontsize=9)
    _changes(right, [week.utility, *week.differences])
    figure.suptitle(f"{week.name}, week to {week.days[-1]}", color=INK, x=0.01, ha="left")
    return figure


def _changes(axes: Axes, differences: list[Difference]) -> None:
    rows = [d for d in differences if d.change.value is not None]
    axes.axvline(0.0, color=INK, linewidth=1)
    for k, difference in enumerate(rows):
        found, colour = difference.change, _shade(difference)
        if found.low is not None and found.high is not None:
            axes.plot([100 * found.low, 100 * found.high], [k, k], color=colour, linewidth=2)
        axes.plot([100 * (found.value or 0.0)], [k], "o", color=colour, markersize=5)
    axes.set_yticks(range(len(rows)), [d.measure for d in rows])
    axes.invert_yaxis()
    axes.set_xlabel("% of the week before")
    axes.set_title(
        "Change: blue better, orange worse, grey neither or cannot be told", color=INK, loc="left", fontsize=10
    )


def _shade(difference: Difference) -> str:
    if difference.verdict is Verdict.unknown or difference.good is None:
        return _BEFORE
    return _NOW if difference.verdict is difference.good else _WORSE


def _difference_cells(difference: Difference) -> tuple[str, ...]:
    change, verdict = difference.change, difference.verdict
    word = str(verdict)
    if verdict is not Verdict.unknown and difference.good is not None:
        word = f"{verdict}, {'better' if verdict is difference.good else 'worse'}"
    elif change.why is not None:
        word = f"{verdict}: {change.why}"
    return (
        difference.measure,
        _number(difference.before),
        _number(difference.now),
        "-" if change.value is None else f"{change.value:+.1%}",
        ends(change.low, change.high, "+.1%"),
        word,
    )


def _line_cells(line: ScoreLine, before: ScoreLine | None) -> tuple[str, ...]:
    then = None if before is None else before.score
    return (
        f"  {line.name}",
        _number(line.value.value),
        ends(line.value.low, line.value.high, ".4g"),
        _number(line.target),
        _score(line.score, line.part),
        _score(then, line.part),
    )


def _score(score: float | None, part: Part) -> str:
    if score is None:
        return "-"
    return f"{score:.0%} of days" if part == "compliance" else f"{score:.3f}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE, padding=(0, 1, 0, 0))
    for place, name in enumerate(columns):
        table.add_column(name, justify="left" if place in (0, len(columns) - 1) else "right", no_wrap=True)
    return table
