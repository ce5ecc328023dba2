"""What the figures and tables of plans show, read back."""

import io

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from rich.console import Console

from bidpilot.bidding.errors import Conflict
from bidpilot.solvers.allocation import ConstraintDual
from bidpilot.solvers.pareto import FrontPoint, ParetoFront
from bidpilot.training.report.pareto_front import pareto_panels
from bidpilot.training.report.plan_figures import dual_bars, spend_by_slot
from bidpilot.training.report.plan_tables import conflict_table, pareto_table

SEGMENTS = ("feed/head", "feed/tail", "search/head")
BUDGET = ConstraintDual("budget", 40.0, 40.0, 0.01, 1.0, "binds")
TAIL = ConstraintDual("min_tail_share", 0.5, 0.5, -0.4, -40.0, "binds")


def point(*share: float) -> FrontPoint:
    return FrontPoint(None, None, np.array(share), np.array(share), np.ones(1), np.ones(1))


def front(active: tuple[int, ...], points: tuple[FrontPoint, ...]) -> ParetoFront:
    ends = points[: len(active)]
    zero = (0.0,) * len(active)
    return ParetoFront(points, ends, ends, active, np.ones(3), ("feed/head",), zero, 0.5, points[-1], 0.1)


THREE = front((0, 1, 2), (point(1, 0.2, 0.3), point(0.1, 1, 0.3), point(0.2, 0.1, 1), point(0.8, 0.7, 0.6)))


def drawn(figure: Figure) -> None:
    """Draw it in full: an unexpected warning fails the test."""
    figure.savefig(io.BytesIO(), format="png")


def test_bars_of_a_slot_add_up_to_its_spend_and_the_tail_is_hatched() -> None:
    spend = np.array([[1.0, 2.0, 3.0], [0.5, 0.0, 1.5]])
    figure = spend_by_slot(spend, SEGMENTS)
    (axes,) = figure.axes
    bars = [p for p in axes.patches if isinstance(p, Rectangle)]
    tops = [max(b.get_y() + b.get_height() for b in bars if b.get_x() == t) for t in (0.0, 1.0)]
    np.testing.assert_allclose(tops, spend.sum(axis=1))
    assert [b.get_hatch() for b in bars] == [None, None, "////", "////", None, None]
    drawn(figure)


def test_spend_that_does_not_fit_the_segments_is_an_error() -> None:
    with pytest.raises(ValueError, match="2 columns for 3 segments"):
        spend_by_slot(np.ones((4, 2)), SEGMENTS)


def test_bars_of_duals_are_percents_of_utility_per_percent_of_bound() -> None:
    figure = dual_bars([BUDGET, TAIL], 0.8)
    (axes,) = figure.axes
    np.testing.assert_allclose([b.get_width() for b in axes.patches if isinstance(b, Rectangle)], [0.5, -0.25])
    drawn(figure)
    with pytest.raises(ValueError, match="a plan that buys"):
        dual_bars([BUDGET], 0.0)


def test_a_front_has_a_panel_for_each_pair_of_kpis() -> None:
    figure = pareto_panels(THREE, [0.5, 0.5, 0.5])
    panels = [axes for axes in figure.axes if axes.get_xlabel() and axes.get_ylabel()]
    names = [(axes.get_xlabel().split(",")[0], axes.get_ylabel().split(",")[0]) for axes in panels]
    assert names == [("exposure", "interaction"), ("exposure", "conversion"), ("interaction", "conversion")]
    np.testing.assert_array_equal(panels[2].collections[0].get_offsets(), THREE.shares[:, 1:])
    drawn(figure)
    two = front((0, 2), (point(1, 0, 0.3), point(0.2, 0, 1)))
    figure = pareto_panels(two, [0.5, 0.0, 0.5])
    assert len(figure.axes) == 1
    drawn(figure)
    with pytest.raises(ValueError, match="two KPIs"):
        pareto_panels(front((2,), (point(0, 0, 1),)), [0.0, 0.0, 0.5])


def test_tables_name_the_ends_the_knee_and_what_would_mend_a_conflict() -> None:
    console = Console(width=120, file=io.StringIO(), record=True)
    console.print(pareto_table(THREE, "front"))
    console.print(conflict_table([Conflict("max_cpa", 2.5, None), Conflict("floor/conversion", 20.0, 9.0)]))
    lines = console.export_text().splitlines()
    assert any("1.0000" in line and "most exposure" in line for line in lines)
    assert any("0.7000" in line and "knee" in line for line in lines)
    assert any("max_cpa" in line and "not alone" in line for line in lines)
    assert any("floor/conversion" in line and line.rstrip(" │").endswith("9") for line in lines)
