"""An overview of the case library: a page in Markdown with a picture of what held when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from bidpilot.serving.calendar import DAY
from bidpilot.serving.incidents.incident import Incident, Level, Step
from bidpilot.training.incidents.library import verdict_of
from bidpilot.training.report.files import write_figure

# Okabe and Ito's, which who sees red as green tells apart
_COLOURS = {Level.none: "#999999", Level.throttle: "#56B4E9", Level.pause: "#E69F00", Level.stop: "#D55E00"}
_NAMES = {Level.none: "watched", Level.throttle: "throttled", Level.pause: "paused, plan", Level.stop: "stopped"}
_SHOWN = 40  # bars of the picture


def spans(incident: Incident) -> list[tuple[float, float, Level]]:
    """From when to when each level held, seconds since 1970; an incident that goes on until it was heard last."""
    found, end = [], incident.ended or max(incident.seen, incident.steps[-1].at)
    for step, after in zip(incident.steps, [*(s.at for s in incident.steps[1:]), end], strict=True):
        if after > step.at:
            found.append((step.at, after, step.level))
    return found


def timeline(incidents: Sequence[Incident]) -> Figure:
    """One bar for each incident, coloured by its response level."""
    shown = list(incidents)[-_SHOWN:]
    figure = Figure(figsize=(10, 1.6 + 0.32 * max(len(shown), 1)), layout="constrained")
    axes = figure.subplots()
    for row, incident in enumerate(shown):
        for begin, end, level in spans(incident):
            axes.barh(row, (end - begin) / DAY, left=begin / DAY, height=0.7, color=_COLOURS[level])
    axes.set_yticks(range(len(shown)), [f"{one.campaign or 'bidder'}: {one.risk.replace('_', ' ')}" for one in shown])
    axes.invert_yaxis()
    axes.xaxis_date("UTC")  # days since 1970
    axes.set_title("Incidents by what held (UTC)", loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(
        [Patch(color=colour) for colour in _COLOURS.values()], list(_NAMES.values()), loc="outside lower left", ncols=4
    )
    return figure


def due(incidents: Sequence[Incident], today: date) -> list[Incident]:
    """What is to be reviewed by a day: over, and without a verdict."""
    return [
        one for one in incidents if one.review_due is not None and one.review_due <= today and verdict_of(one) is None
    ]


def page(incidents: Sequence[Incident], today: date) -> str:
    """The overview in Markdown."""
    risks = Counter(one.risk for one in incidents)
    lines = [
        "# Incidents",
        "",
        f"{len(incidents)} incidents, {sum(one.open for one in incidents)} open, "
        f"{len(due(incidents, today))} due for review on {today}.",
        "",
        "![What held when](incidents.png)",
        "",
        "| Risk | Incidents | Reopened | Highest level | Escalated by a deadline | Real | False alarms |",
        "| --- | ---: | ---: | --- | ---: | ---: | ---: |",
    ]
    for risk, count in risks.most_common():
        ours = [one for one in incidents if one.risk == risk]
        verdicts = Counter(verdict_of(one) for one in ours)
        most = max(step.level for one in ours for step in one.steps)
        late = sum(step.by == "deadline" and step.action == "escalated" for one in ours for step in one.steps)
        lines.append(
            f"| {risk} | {count} | {sum(one.reopened for one in ours)} | {most.value} {_NAMES[most]} | {late} | "
            f"{verdicts['real']} | {verdicts['false_alarm']} |"
        )
    for one in incidents:
        lines += ["", f"## {one.id}", "", _plain(one.explanation), "", *map(_line, one.steps)]
        if one.outcome:
            lines += ["", f"Review: {_plain(one.outcome)}"]
        elif one.review_due is not None:
            lines += ["", f"To be reviewed on {one.review_due}."]
    return "\n".join(lines) + "\n"


def _line(step: Step) -> str:
    at = datetime.fromtimestamp(step.at, UTC)
    why = f": {_plain(step.cause)}" if step.cause else ""
    return f"- {at:%Y-%m-%d %H:%M} {step.action}, level {step.level.value}, by {step.by}{why}"


def _plain(text: str) -> str:
    """Text in which nothing is markup."""
    return " ".join(text.split()).replace("<", "&lt;").replace("|", "\\|")


def write(folder: Path, incidents: Sequence[Incident], today: date) -> Path:
    """Write the page and its picture; where the page is."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "incidents.md"
    path.write_text(page(incidents, today), encoding="utf-8")
    write_figure(folder / "incidents.png", timeline(incidents))
    return path
