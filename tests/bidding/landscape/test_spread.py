"""Facts about spreads: variance components worked out by hand, and recovered from days drawn with them."""

from __future__ import annotations

import numpy as np
import pytest

from bidpilot.bidding.landscape.spread import TINY, fit_spread, one_way


def test_each_component_is_corrected_for_the_one_below_it() -> None:
    """Two days of two blocks of two slots: (0, 2), (4, 6) and (10, 10), (10, 10).

    Within blocks: 2 + 2 + 0 + 0 over 4 degrees of freedom, so slots vary by 1.
    Block means 1, 5 and 10, 10: 4 + 4 + 0 + 0 over 2, which is 4; half of a slot's 1 is noise, so 3.5.
    Day means 3 and 10: 24.5 over 1; half of the 4 is noise, so 22.5.
    """
    level = np.array([[[0.0, 2.0, 4.0, 6.0], [10.0, 10.0, 10.0, 10.0]]])
    spread = fit_spread(level, np.ones((2, 4), np.bool_), 2)
    np.testing.assert_allclose(spread.slot, [1.0], rtol=1e-6)
    np.testing.assert_allclose(spread.block, [3.5], rtol=1e-6)
    np.testing.assert_allclose(spread.day, [22.5], rtol=1e-6)


def test_what_was_not_observed_says_nothing() -> None:
    """The last slot is unseen. Within: 2 + 2 + 0 over 3; blocks: 8 / 2 = 4, at 7 / 4 slots to a block.

    Blocks vary by 4 - (4 / 3) / (7 / 4) = 4 - 16 / 21; day means are still 3 and 10.
    """
    level = np.array([[[0.0, 2.0, 4.0, 6.0], [10.0, 10.0, 10.0, 99.0]]])
    observed = np.array([[True] * 4, [True, True, True, False]])
    spread = fit_spread(level, observed, 2)
    np.testing.assert_allclose(spread.slot, [4 / 3], rtol=1e-6)
    np.testing.assert_allclose(spread.block, [68 / 21], rtol=1e-6)
    np.testing.assert_allclose(spread.day, [22.5], rtol=1e-6)


def test_noise_that_explains_everything_leaves_nothing_above_it() -> None:
    """Blocks (0, 4) and (1, 3): means 2 and 2, so neither blocks nor days differ; slots by (8 + 2) / 2."""
    spread = fit_spread(np.array([[[0.0, 4.0, 1.0, 3.0]]]), np.ones((1, 4), np.bool_), 2)
    np.testing.assert_allclose(spread.slot, [5.0], rtol=1e-6)
    np.testing.assert_array_equal([spread.block, spread.day], [[TINY], [TINY]])


def test_the_spread_of_drawn_days_is_recovered() -> None:
    rng, days, blocks, width = np.random.default_rng(0), 4000, 6, 8
    day, block, slot = 0.3, 0.5, 0.2
    x = day * rng.standard_normal((days, 1, 1)) + block * rng.standard_normal((days, blocks, 1))
    x = (x + slot * rng.standard_normal((days, blocks, width))).reshape(1, days, blocks * width)
    spread = fit_spread(x, np.ones(x.shape[1:], np.bool_), width)
    assert np.sqrt(spread.day[0]) == pytest.approx(day, rel=0.05)
    assert np.sqrt(spread.block[0]) == pytest.approx(block, rel=0.03)
    assert np.sqrt(spread.slot[0]) == pytest.approx(slot, rel=0.02)
    observed = rng.random(x.shape[1:]) < 0.6
    partial = fit_spread(np.where(observed, x, 99.0), observed, width)
    assert np.sqrt(partial.block[0]) == pytest.approx(block, rel=0.05)


def test_days_that_never_vary_have_no_spread() -> None:
    spread = fit_spread(np.zeros((2, 5, 8)), np.ones((5, 8), np.bool_), 4)
    for part in (spread.day, spread.block, spread.slot):
        np.testing.assert_allclose(part, TINY)
    one_day = fit_spread(np.ones((1, 1, 8)), np.ones((1, 8), np.bool_), 4)
    assert np.isfinite(one_day.day).all()


def test_days_are_told_apart_from_their_blocks() -> None:
    """Days (1, 5), (10, 10) and one with a single known block, which says nothing of either.

    Within days: 8 + 0 over 2 degrees of freedom, which is 4. Day means 3 and 10: 24.5 over 1, of which 4 / 2 is noise.
    """
    level = np.array([[1.0, 5.0], [10.0, 10.0], [99.0, -99.0]])
    known = np.array([[True, True], [True, True], [True, False]])
    found = one_way(level, known)
    assert (found.between, found.within) == (22.5, 4.0)
    np.testing.assert_allclose(found.effect, [-3.5 * 22.5 / 24.5, 3.5 * 22.5 / 24.5, 0.0], rtol=1e-12)


def test_one_day_tells_nothing_of_days() -> None:
    found = one_way(np.array([[1.0, 5.0]]), np.ones((1, 2), np.bool_))
    assert (found.between, found.within) == (0.0, 0.0)
