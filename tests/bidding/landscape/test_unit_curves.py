"""Curves of a landscape of two auctions, worked out by hand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.landscape import curves, shading
from bidpilot.bidding.landscape.forecast import BidLandscape
from bidpilot.bidding.landscape.unit_curves import SegmentTerms, segment_curves, unit_curves

SECOND, FIRST = np.array([False]), np.array([True])
UNSHADED = np.ones(shading.POINTS)
DIRECTION = np.array([[1.0, 0.0, 1.0]])


def pair() -> BidLandscape:
    """An auction of price 1 and value 1 in exposure, and one of price 4 and value 2 in conversions: half each.

    Bids along (1, 0, 1) are 1 and 2, so that the first is won from scale 1 on (x = 0), the other from 2 on (x = 1).
    """
    return BidLandscape(
        price=np.array([1.0, 4.0]),
        value=np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 2.0]]),
        segment=np.array([0, 1], np.int16),
        weight=np.array([0.5, 0.5]),
    )


def at(curve: NDArray[np.float64], *x: float) -> NDArray[np.float64]:
    """Values at points of the grid of scales, log2."""
    return curve[..., [round((point - curves.LOWEST) * curves.PER_OCTAVE) for point in x]]


def test_at_second_price_an_auction_counts_once_its_bid_reaches_its_price() -> None:
    got = unit_curves(pair(), DIRECTION, SECOND, None)
    np.testing.assert_allclose(at(got.wins, -0.125, 0.0, 0.875, 1.0), [[0.0, 0.5, 0.5, 1.0]])
    np.testing.assert_allclose(at(got.spend, -0.125, 0.0, 0.875, 1.0), [[0.0, 0.5, 0.5, 2.5]])
    np.testing.assert_allclose(at(got.kpi, 0.0, 1.0), [[[0.5, 0.5], [0.0, 0.0], [0.0, 1.0]]])


def test_at_first_price_every_win_pays_its_own_bid() -> None:
    """Unshaded, at scale 2 ** x: 0.5 * 1 * 2 ** x for the first, 0.5 * 2 * 2 ** x for the second."""
    got = unit_curves(pair(), DIRECTION, FIRST, UNSHADED)
    np.testing.assert_allclose(at(got.spend, -0.5, 0.5, 2.0, 3.0), [[0.0, 0.5 * 2**0.5, 6.0, 12.0]], rtol=1e-9)
    np.testing.assert_allclose(at(got.wins, -0.5, 0.5, 2.0), [[0.0, 0.5, 1.0]])


def test_shading_needs_a_higher_value_for_the_same_price() -> None:
    """At half of the value the auctions are won one octave later, and pay half of what the value is then."""
    got = unit_curves(pair(), DIRECTION, FIRST, 0.5 * UNSHADED)
    np.testing.assert_allclose(at(got.wins, 0.5, 1.5, 2.5), [[0.0, 0.5, 1.0]])
    np.testing.assert_allclose(at(got.spend, 0.5, 1.5, 3.0), [[0.0, 0.25 * 2**1.5, 6.0]], rtol=1e-9)


def test_rows_of_both_prices_stand_side_by_side() -> None:
    got = unit_curves(pair(), np.repeat(DIRECTION, 2, axis=0), np.array([False, True]), UNSHADED)
    np.testing.assert_allclose(at(got.spend, 3.0), [[2.5], [12.0]], rtol=1e-9)


def test_multipliers_and_share_prices_move_one_segment() -> None:
    """The second bid becomes 0.5 * (2 + 6) = 4, which wins at x = 0; the first stays at 1."""
    terms = SegmentTerms(multiplier=np.array([[1.0, 0.5]]), share=np.array([[0.0, 6.0]]))
    got = unit_curves(pair(), DIRECTION, SECOND, None, terms)
    np.testing.assert_allclose(at(got.wins, -0.125, 0.0), [[0.0, 1.0]])
    by_segment = segment_curves(pair(), DIRECTION, SECOND, None, terms)
    # wins, spend, conversions and value along the direction, without the share price
    np.testing.assert_allclose(
        at(by_segment, -0.125, 0.0)[0],
        [[[0, 0.5], [0, 0.5], [0, 0.0], [0, 0.5]], [[0, 0.5], [0, 2.0], [0, 1.0], [0, 1.0]]],
    )


def test_what_is_worth_nothing_is_won_only_where_it_costs_nothing() -> None:
    land = BidLandscape(
        price=np.array([0.0, 1.0, 0.0]),
        value=np.array([[0.0, 1.0, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]),
        segment=np.zeros(3, np.int16),
        weight=np.array([0.25, 0.5, 0.25]),
    )
    got = unit_curves(land, DIRECTION, SECOND, None)
    np.testing.assert_allclose(at(got.wins, curves.LOWEST, curves.HIGHEST), [[0.5, 0.5]])
