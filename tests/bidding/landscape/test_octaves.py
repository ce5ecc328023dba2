"""The octave grid: edges that double, and bins that are read off a float's bits."""

import numpy as np

from bidpilot.bidding.landscape.octaves import RATIOS, OctaveGrid


def test_edges_are_linear_within_an_octave_and_double_from_one_to_the_next() -> None:
    assert OctaveGrid(1, 1).edges().tolist() == [0.5, 0.75, 1.0, 1.5, 2.0]


def test_a_value_lies_between_the_edges_of_its_bin() -> None:
    values = np.exp2(np.random.default_rng(0).uniform(-12, 12, 5000)).astype(np.float32)
    bins, edges = RATIOS.bins_of(values), RATIOS.edges()
    assert (edges[bins] <= values).all()
    assert (values < edges[bins + 1]).all()


def test_an_edge_belongs_to_the_bin_above_it_and_what_lies_outside_to_the_outermost() -> None:
    grid = OctaveGrid(1, 1)
    values = np.array([0.0, 0.1, 0.5, 0.75, 1.0, 1.5, 2.0, 100.0], np.float32)
    assert grid.bins_of(values).tolist() == [0, 0, 0, 1, 2, 3, 3, 3]
