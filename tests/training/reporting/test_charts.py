"""Charts as SVG and for plotly: nothing outside is named, nothing is left that no JSON can hold."""

from __future__ import annotations

import json
import sys
from itertools import pairwise

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from bidpilot.training.reporting.charts import drawn
from bidpilot.training.reporting.charts.chart import Bars, Chart, Group, Lines, Points, Series
from bidpilot.training.reporting.charts.drawn import svg
from bidpilot.training.reporting.charts.interactive import library, spec
from bidpilot.training.reporting.errors import PlotlyMissing
from tests.training.reporting.html import Page

UNTOLD = Series("a <b>", (1.0, None, 3.0), (0.5, None, None), (1.5, None, 4.0))
CHARTS: tuple[Chart, ...] = (
    Bars("Bars & more", ("one", "two, a name that is far too long for its room", "3"), (UNTOLD,), "unit"),
    Bars("Lying", tuple("abc"), (UNTOLD, Series("other", (1.0, 2.0, 3.0))), "unit", lying=True),
    Lines("Lines", (0.0, 12.0, 24.0), (UNTOLD, Series("plan", (0.0, 1.0, 2.0))), "hour", "unit", dashed=("plan",)),
    Lines("Days", (0.0, 1.0, 2.0), (Series("one", (1.0, 1.0, 2.0)),), "day", "unit", labels=tuple("xyz")),
    Points("Points", (Group("p", (1.0, 2.0), (1.0, 2.0)), Group("knee", (1.5,), (1.5,), "D")), "x", "y"),
)


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.title)
def test_a_drawn_chart_stands_by_itself(chart: Chart) -> None:
    text = svg(chart, "here-0")
    page = Page(text)
    assert page.outside == []
    assert "http" not in text
    assert page.tags[0] == "svg"
    assert "script" not in page.tags
    assert all(one.startswith("here-0-") for one in page.ids)
    assert len(set(page.ids)) == len(page.ids)
    assert {one.removeprefix("#") for one in page.references} <= set(page.ids)
    # ink and grid are the page's
    assert "currentColor" in text
    assert "#333333" not in text


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.title)
def test_plotly_gets_plain_values(chart: Chart) -> None:
    found = json.loads(json.dumps(spec(chart), allow_nan=False))
    assert found["layout"]["title"]["text"] == chart.title
    assert len(found["data"]) >= 1
    titles = {found["layout"][axis]["title"]["text"] for axis in ("xaxis", "yaxis")}
    assert titles - {""}


@pytest.mark.parametrize("labels", [[f"2026-03-{day:02d}" for day in range(1, 8)], [f"{h:02d}" for h in range(24)]])
def test_labels_beside_each_other_do_not_run_into_each_other(labels: list[str]) -> None:
    chart = Bars("Days", tuple(labels), (Series("one", (1.0,) * len(labels)),), "unit")
    figure = drawn._bars(chart)
    FigureCanvasAgg(figure).draw()  # type: ignore[no-untyped-call]
    boxes = [label.get_window_extent() for label in figure.axes[0].get_xticklabels()]
    assert len(boxes) > 2
    assert all(one.x1 < other.x0 for one, other in pairwise(boxes))


def test_a_drawing_is_the_same_each_time() -> None:
    assert svg(CHARTS[0], "a") == svg(CHARTS[0], "a")


def test_without_plotly_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    with pytest.raises(PlotlyMissing, match=r"bidpilot\[plotly\]"):
        library()
