"""The page: one HTML file that needs nothing but itself."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from bidpilot import __version__
from bidpilot.training.reporting.charts.drawn import svg
from bidpilot.training.reporting.charts.interactive import library, spec
from bidpilot.training.reporting.errors import ReportTooLarge
from bidpilot.training.reporting.evidence import Evidence
from bidpilot.training.reporting.sections.section import Section

MOST_BYTES: Final = 6_000_000
"""Of a report."""
_ROOM: Final = "bidpilot.training.reporting"


def page(evidence: Evidence, found: Sequence[Section], made: datetime, interactive: bool = False) -> str:
    """The whole report.

    Args:
        evidence: what it is of.
        found: its sections.
        made: when, with its time zone.
        interactive: whether figures are drawn by plotly, which then stands in the page.

    Raises:
        PlotlyMissing: it is to be interactive and plotly is not installed.
        ReportTooLarge: it is larger than `MOST_BYTES`.
    """
    plotly = library() if interactive else ""
    figures = {
        section.key: [_figure(chart, f"{section.key}-{k}", interactive) for k, chart in enumerate(section.charts)]
        for section in found
    }
    scripts = [Markup(text) for text in (plotly, _part("draw.js")) if interactive]
    text = (
        _environment()
        .get_template("report.html")
        .render(
            evidence=evidence,
            shown=[section for section in found if section.missing is None],
            missing=_missing(found),
            figures=figures,
            made=f"{made:%Y-%m-%d %H:%M %Z}",
            version=__version__,
            style=Markup(_part("report.css")),
            scripts=scripts,
            policy=_policy([str(script) for script in scripts]),
        )
    )
    size = len(text.encode())
    if size > MOST_BYTES:
        raise ReportTooLarge(
            f"the report has {size} bytes, and at most {MOST_BYTES} are to be sent around. Report fewer days, or leave "
            "--interactive out."
        )
    return text


def _missing(found: Sequence[Section]) -> dict[str, list[Section]]:
    """The sections that are missing by the reason, each of which is told once."""
    alike: dict[str, list[Section]] = {}
    for section in found:
        if section.missing is not None:
            alike.setdefault(section.missing, []).append(section)
    return alike


def _figure(chart: Any, place: str, interactive: bool) -> dict[str, Any]:
    """A chart as the template takes it: drawn, or as plain values for plotly."""
    if not interactive:
        return {"place": place, "title": chart.title, "svg": Markup(svg(chart, place)), "spec": None}
    # "<" would let a name end the element that holds it
    values = json.dumps(spec(chart), allow_nan=False).replace("<", "\\u003c")
    return {"place": place, "title": chart.title, "svg": None, "spec": Markup(values)}


def _policy(scripts: Sequence[str]) -> str:
    """A content policy that lets nothing in or out but the page's own style and scripts."""
    hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts)
    own = "default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'unsafe-inline'; img-src data: blob:"
    return f"{own}; script-src {hashes}" if hashes else own


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader(_ROOM), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


def _part(name: str) -> str:
    return (files(_ROOM) / "templates" / name).read_text(encoding="utf-8")
