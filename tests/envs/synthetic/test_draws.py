"""Streams of single effects: uniform, of their own, and no column of the layout is moved for them."""

import numpy as np
import pytest
from scipy.stats import kstest

from bidpilot.envs.synthetic.draws import DayDraws

DRAWS = DayDraws(slots=48, blocks=6, half_blocks=12, segments=8, burst_sources=3)
UNIFORMS = np.random.default_rng(0).random((4000, DRAWS.total))


def test_the_layout_of_the_first_effects_is_closed() -> None:
    """A day of the default market is made from as many uniforms as ever: 1 + 1 + 9 + 18 + 12 + 48 + 16 + 7 + 3."""
    assert DRAWS.total == 115


def test_a_streams_numbers_are_uniform_and_uncorrelated_with_each_other_and_other_streams() -> None:
    own, other = DRAWS.stream(UNIFORMS, "one", 4), DRAWS.stream(UNIFORMS, "another", 4)
    assert own.shape == (4000, 4)
    assert ((own >= 0) & (own < 1)).all()
    assert min(kstest(column, "uniform").pvalue for column in own.T) > 1e-3
    columns = np.column_stack([own, other, UNIFORMS])
    correlation = np.asarray(np.corrcoef(columns.T))[:8] - np.eye(columns.shape[1])[:8]
    assert np.abs(correlation).max() < 5 / np.sqrt(4000)


def test_a_row_of_a_stream_is_given_by_its_own_salt_alone() -> None:
    salt = DRAWS.uniform(UNIFORMS, "salt")
    others = np.random.default_rng(1).random(UNIFORMS.shape)
    DRAWS.uniform(others, "salt")[:] = salt
    np.testing.assert_array_equal(DRAWS.stream(others, "one", 3), DRAWS.stream(UNIFORMS, "one", 3))
    np.testing.assert_array_equal(DRAWS.stream(UNIFORMS[7:8], "one", 3), DRAWS.stream(UNIFORMS, "one", 3)[7:8])


def test_more_numbers_of_a_stream_leave_the_first_ones() -> None:
    np.testing.assert_array_equal(DRAWS.stream(UNIFORMS, "one", 5)[:, :2], DRAWS.stream(UNIFORMS, "one", 2))


def test_a_stream_is_held_by_numbers() -> None:
    """Days of markets with these effects on stay as they are: numbers worked out in Python's whole integers."""
    mask, golden = (1 << 64) - 1, 0x9E3779B97F4A7C15

    def mixed(z: int) -> int:
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        return z ^ (z >> 31)

    uniforms = np.full((1, DRAWS.total), 0.25)
    key = 0xC915768BAADDF234  # of "one"
    state = mixed((1 << 51) ^ key)
    expected = [(mixed((state + k * golden) & mask) >> 11) / 2**53 for k in (1, 2)]
    assert DRAWS.stream(uniforms, "one", 2)[0] == pytest.approx(expected, abs=0)
