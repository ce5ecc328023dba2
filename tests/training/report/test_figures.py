"""What the figures show, read back from the drawn artists."""

import io
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure

from bidpilot.training.evaluation.names import CHOICE, UNTUNED
from bidpilot.training.report.attribution import Bars, attribution_figure
from bidpilot.training.report.comparison import Interval, interval_plot, ratio_distribution
from bidpilot.training.report.curves import Beside, Curve, budget_curves, learning_curve
from bidpilot.training.report.differences import difference_map
from bidpilot.training.report.preference_front import PreferenceFront, preference_front_plot
from bidpilot.training.report.profile import performance_profile
from bidpilot.training.report.style import colours
from bidpilot.training.report.tables import PairRow

STEPS = np.array([0.0, 1e5, 2e5])
RATIO = np.array([0.8, 0.9, 0.95])


def drawn(figure: Figure) -> bytes:
    """Draw it in full: an unexpected warning fails the test."""
    out = io.BytesIO()
    figure.savefig(out, format="png")
    return out.getvalue()


def test_learning_curve_draws_each_series_its_band_and_the_references() -> None:
    figure = learning_curve({"ppo": Curve(STEPS, RATIO, RATIO - 0.01, RATIO + 0.01)}, {"mpc": 0.93})
    (axes,) = figure.axes
    ppo, mpc = axes.lines
    np.testing.assert_array_equal(np.asarray(ppo.get_xydata()), np.column_stack([STEPS, RATIO]))
    np.testing.assert_array_equal(np.asarray(mpc.get_ydata()), [0.93, 0.93])
    assert len(axes.collections) == 1
    assert drawn(figure).startswith(b"\x89PNG")


def test_the_lower_panel_shows_the_difference_to_mpc_its_band_and_the_step_that_is_kept() -> None:
    gap = RATIO - 0.9
    beside = Beside(Curve(STEPS, gap, gap - 0.02, gap + 0.02), 1e5, "ppo did not improve on imitation")
    _, axes = learning_curve({"ppo": Curve(STEPS, RATIO)}, {}, "steady", beside).axes
    line, zero, best, star = axes.lines
    np.testing.assert_array_equal(np.asarray(line.get_ydata()), gap)
    np.testing.assert_array_equal(np.asarray(zero.get_ydata()), [0.0, 0.0])
    np.testing.assert_array_equal(np.asarray(best.get_xdata()), [1e5, 1e5])
    np.testing.assert_array_equal(np.asarray(star.get_xydata()), [[1e5, gap[1]]])
    assert len(axes.collections) == 1
    assert axes.get_title(loc="left") == "ppo did not improve on imitation"
    (single,) = learning_curve({"ppo": Curve([0], [0.9])}, {}, "", Beside(Curve([0], [0.1], [0.0], [0.2]), 0)).axes[1:]
    assert len(single.collections) == 2  # the band and, as that has no width, a bar


def test_a_single_validation_is_visible_as_a_point() -> None:
    (axes,) = learning_curve({"ppo": Curve([100], [0.9])}).axes
    assert axes.lines[0].get_marker() == "o"


@pytest.mark.parametrize(
    ("steps", "ratio", "message"),
    [
        ([0, 1], [0.5, np.nan], "1 values that are not finite"),
        ([0, 1], [0.5], "lengths differ"),
        ([], [], "filled array"),
    ],
)
def test_a_series_that_cannot_be_drawn_is_an_error(steps: list[float], ratio: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        learning_curve({"ppo": Curve(steps, ratio)})


@pytest.mark.parametrize("days", [1, 4, 6])
def test_budget_curves_have_a_panel_per_day_with_the_same_scale(days: int) -> None:
    plan = np.linspace(1.0, 0.0, 5)
    left = np.tile(plan, (days, 1)) ** 2
    figure = budget_curves(left, plan)
    visible = [axes for axes in figure.axes if axes.get_visible()]
    assert len(visible) == days
    for axes in visible:
        planned, actual = axes.lines
        np.testing.assert_array_equal(np.asarray(planned.get_ydata()), plan)
        np.testing.assert_array_equal(np.asarray(actual.get_ydata()), plan**2)
        assert axes.get_ylim() == pytest.approx((-0.03, 1.03))
    drawn(figure)


def test_budget_curves_refuse_labels_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="1 labels for 2 days"):
        budget_curves(np.ones((2, 5)), np.ones(5), labels=["one"])


def test_ratio_distribution_is_the_share_of_days_below() -> None:
    (axes,) = ratio_distribution({"ppo": [0.9, 0.7, 0.8, 1.0]}).axes
    curve, dot = axes.lines
    np.testing.assert_allclose(np.asarray(curve.get_xdata())[1:], [0.7, 0.8, 0.9, 1.0])
    np.testing.assert_allclose(np.asarray(curve.get_ydata())[1:], [0.25, 0.5, 0.75, 1.0])
    np.testing.assert_allclose(np.asarray(dot.get_xdata()), [0.85])


def test_a_performance_profile_is_the_share_of_days_above_on_each_suite() -> None:
    figure = performance_profile({s: {"mpc": [0.9, 0.7, 0.8, 1.0], "ppo": [0.5]} for s in "abcde"})
    assert [axes.get_title(loc="left") for axes in figure.axes] == list("abcde")
    mpc, _ = figure.axes[4].lines
    x, y = np.asarray(mpc.get_xdata()), np.asarray(mpc.get_ydata())
    assert mpc.get_drawstyle() == "steps-pre"  # a value stands until the next abscissa
    above = [y[np.searchsorted(x, ratio)] for ratio in (0.6, 0.75, 0.85, 0.95)]
    np.testing.assert_allclose(above, [1.0, 0.75, 0.5, 0.25])
    drawn(figure)


def test_a_profile_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="no agent"):
        performance_profile({})


def test_a_front_is_drawn_in_every_pair_of_kpis() -> None:
    exact = np.array([[0.9, 0.5, 0.4], [0.5, 0.8, 0.7]])
    figure = preference_front_plot(PreferenceFront("daily", np.eye(3)[:2], exact, {"mpc": 0.9 * exact}))
    for axes, (i, j) in zip(figure.axes, [(0, 1), (0, 2), (1, 2)], strict=True):
        optimum = next(line for line in axes.lines if line.get_label() == "hindsight optimum")
        np.testing.assert_array_equal(np.asarray(optimum.get_xydata()), exact[:, [i, j]])
        agent = next(line for line in axes.lines if line.get_label() == "mpc")
        np.testing.assert_array_equal(np.asarray(agent.get_xydata()), 0.9 * exact[:, [i, j]])
    drawn(figure)


def test_equal_days_can_be_drawn() -> None:
    figure = ratio_distribution({"plan": [0.5, 0.5], "pid": [0.5]})
    (axes,) = figure.axes
    low, high = axes.get_xlim()
    assert low < 0.5 < high
    drawn(figure)


def test_interval_plot_ranks_the_agents_of_each_suite() -> None:
    figure = interval_plot(
        [
            Interval("plan", "steady", 0.90, 0.89, 0.91),
            Interval("ppo", "steady", 0.98, 0.97, 0.99),
            Interval("plan", "daily", 0.95, 0.94, 0.96),
        ]
    )
    steady, daily = figure.axes
    assert [label.get_text() for label in steady.get_yticklabels()] == ["plan", "ppo"]
    assert [label.get_text() for label in daily.get_yticklabels()] == ["plan"]
    np.testing.assert_array_equal(np.asarray(steady.lines[0].get_xdata()), [0.89, 0.91])
    drawn(figure)


def test_an_interval_that_leaves_out_its_middle_is_an_error() -> None:
    with pytest.raises(ValueError, match="lies outside"):
        interval_plot([Interval("plan", "steady", 0.5, 0.6, 0.7)])


def test_a_mean_without_an_interval_is_a_dot() -> None:
    (panel,) = interval_plot([Interval("plan", "steady", 0.5, None, None)]).axes
    np.testing.assert_array_equal(np.asarray(panel.lines[0].get_xdata()), [0.5, 0.5])


def test_a_difference_without_an_interval_is_grey() -> None:
    row = difference("full", "daily", 0.01, 0.02)
    row |= {"diff_low": None, "diff_high": None}
    (axes,) = difference_map([row]).axes
    assert axes.texts[0].get_fontweight() == "normal"


def difference(agent: str, suite: str, low: float, high: float, against: str = "mpc") -> PairRow:
    return PairRow(
        agent=agent, against=against, suite=suite, diff=(low + high) / 2, diff_low=low, diff_high=high, groups=9
    )


def test_a_map_of_differences_has_a_number_per_agent_and_suite_grey_where_undecided() -> None:
    rows = [
        difference(agent, suite, low, high)
        for suite, low, high in (("daily", 0.01, 0.02), ("shift", -0.01, 0.003))
        for agent in ("full", "plain")
    ]
    figure = difference_map(rows)
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts] == ["+15.0", "+15.0", "-3.5", "-3.5"]
    assert [text.get_fontweight() for text in axes.texts] == ["bold", "bold", "normal", "normal"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["daily", "shift"]
    drawn(figure)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "differences to nobody"),
        ([difference("full", "daily", 0, 1), difference("plain", "daily", 0, 1, "full")], "to one agent"),
        ([difference("full", "daily", 0, 1), difference("plain", "shift", 0, 1)], "no difference of plain on daily"),
    ],
)
def test_a_map_with_a_hole_or_of_several_comparisons_is_an_error(rows: list[PairRow], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        difference_map(rows)


def test_an_agent_keeps_its_colour_and_no_two_share_one() -> None:
    names = ["ppo@aa", "ppo@bb", "mpc", "mine", *(f"x{i}" for i in range(3))]
    chosen = colours(names)
    assert chosen["ppo@aa"] == colours(["ppo"])["ppo"]
    assert chosen["mpc"] == colours(["constant", "mpc"])["mpc"]
    assert len(set(chosen.values())) == len(names)


def test_the_agents_that_are_known_have_colours_of_their_own_whoever_is_drawn_beside_them() -> None:
    known = [*UNTUNED, CHOICE]
    alone = {name: colours([name])[name] for name in known}
    assert colours(known[::-1]) == alone
    assert len(set(alone.values())) == len(known)


def test_what_moved_an_action_is_drawn_on_one_scale_without_what_is_below_a_thousandth() -> None:
    large = Bars("scale", ("a", "b", "c"), [[0.2, -0.0005, 0.05]])
    small = Bars("tilt", ("a", "b", "c"), [[0.0, -0.0005, 0.0009]])
    figure = attribution_figure([[large, small]], ("agent",), "an agent", None)
    scale, tilt = figure.axes
    assert [label.get_text() for label in scale.get_yticklabels()] == ["c", "a"]
    assert tilt.get_yticklabels() == []
    assert tilt.texts[0].get_text() == "nothing above a thousandth"
    assert scale.get_xlim() == tilt.get_xlim()
    drawn(figure)


def test_figures_leave_pyplot_alone_and_evaluations_what_is_slow_to_load() -> None:
    code = (
        "import sys; from bidpilot.training.report.comparison import ratio_distribution; "
        "ratio_distribution({'a': [0.5, 0.6]}).savefig('/dev/null', format='png'); "
        "assert 'matplotlib.pyplot' not in sys.modules; "
        "import bidpilot.training.evaluation.run; assert 'scipy.stats' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
