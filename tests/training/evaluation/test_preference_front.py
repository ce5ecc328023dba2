"""Fronts: the grid, the volume, and what an agent may not exceed."""

from dataclasses import replace

import numpy as np
import pytest

from bidpilot.training.evaluation.catalogue import SuiteRecord
from bidpilot.training.evaluation.contestants import Contestant
from bidpilot.training.evaluation.preference_front import front_rows, hypervolume, play_front, preference_grid
from bidpilot.training.report.preference_front import PreferenceFront


def test_the_grid_holds_fifteen_preferences_with_the_corners() -> None:
    grid = preference_grid()
    assert len(np.unique(grid, axis=0)) == len(grid) == 15
    np.testing.assert_allclose(grid.sum(axis=1), 1.0)
    for corner in np.eye(3):
        assert (grid == corner).all(axis=1).any()


def test_the_volume_is_that_of_the_union_of_boxes() -> None:
    assert hypervolume(np.array([[0.5, 0.4, 0.2]])) == pytest.approx(0.04)
    assert hypervolume(np.array([[1.0, 0.5, 1.0], [0.5, 1.0, 1.0], [0.1, 0.1, 0.1]])) == pytest.approx(0.75)


def test_losses_are_measured_at_the_preference_that_the_agent_was_told() -> None:
    exact = np.array([[1.0, 0.4, 0.4], [0.4, 1.0, 0.4], [0.4, 0.4, 1.0]])
    swapped = exact[[1, 0, 2]]
    rows = front_rows(PreferenceFront("daily", np.eye(3), exact, {"same": exact, "swapped": swapped}), {"same": 2}, 7)
    same, other = rows
    assert (same["hypervolume_share"], same["worst_loss"], same["seeds"], same["days"]) == (1.0, 0.0, 2, 7)
    assert other["hypervolume_share"] == pytest.approx(1.0)  # as a set the points are the same
    assert other["worst_loss"] == pytest.approx(0.6)
    assert other["mean_loss"] == pytest.approx(0.4)


def test_no_agent_passes_the_front_of_the_hindsight_optimum(record: SuiteRecord) -> None:
    front = play_front(record, [Contestant("plan"), Contestant("mpc"), Contestant("mpc_informed")], days=6, seed=0)
    best = front.preference @ front.exact.T  # (P, P) utility of each optimum at each preference
    assert (best.diagonal()[:, None] >= best - 1e-9).all()  # each is best at its own
    for points in front.attained.values():
        assert ((front.preference * points).sum(axis=1) < best.diagonal()).all()
    plan, mpc, informed = front_rows(front, {}, 6)
    assert plan["hypervolume_share"] < mpc["hypervolume_share"] < informed["hypervolume_share"] < 1.0
    assert 0 < informed["worst_loss"] < mpc["worst_loss"] < plan["worst_loss"]


def test_at_first_price_the_front_is_that_of_r_star(record: SuiteRecord) -> None:
    first = replace(record, campaigns=(record.campaigns[0].model_copy(update={"auction": "first"}),))
    front = play_front(first, [Contestant("mpc_informed")], days=3, seed=0)
    told, best = (front.preference @ points.T for points in (front.attained["mpc_informed"], front.exact))
    assert (told.diagonal() <= best.diagonal()).all()
    (row,) = front_rows(front, {}, 3)
    assert 0.9 < row["hypervolume_share"] < 1.0  # of what is bought at market prices it has less than a half
