"""Facts about what bids spend under a law: as the landscape has it at its value levels, else by the mean bid."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from bidpilot.bidding.landscape import curves
from bidpilot.bidding.landscape.forecast import BidLandscape
from bidpilot.bidding.landscape.unit_curves import SegmentTerms, unit_curves
from bidpilot.envs import seeding
from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.envs.markets.defaults import synthetic_market
from bidpilot.envs.markets.law_curves import LOG_VALUE, LawAuctions, LawCurves
from bidpilot.envs.markets.presets import DAILY

DIRECTION = np.array([0.02, 0.01, 12.0])
NEAR = slice(24, 64)  # scales at which a tenth to nine tenths of auctions are won


def log() -> AuctionLog:
    config = DAILY.model_copy(update={"auctions_per_slot": 100.0, "log_auctions": 100_000})
    return synthetic_market(config, seeding.LOG_HELD_OUT, 0).log


def terms(segments: int, share: float = 0.0) -> SegmentTerms:
    return SegmentTerms(np.linspace(0.8, 1.2, segments)[None], np.full((1, segments), share))


def by_landscape(log: AuctionLog, level: float, terms: SegmentTerms) -> NDArray[np.float64]:
    """Spend (POINTS,) by the curves that plans are made of, at a value level."""
    kpi = np.stack([log.exposure, log.interaction * level, log.conversion * level], axis=1).astype(np.float64)
    weight = np.full(log.n, 1.0 / log.n)
    landscape = BidLandscape(log.market_price.astype(np.float64), kpi, log.segment.astype(np.int16), weight)
    spend: NDArray[np.float64] = unit_curves(landscape, DIRECTION[None], np.zeros(1, np.bool_), None, terms).spend[0]
    return spend


@pytest.mark.parametrize("share", [0.0, 0.03])
def test_at_its_own_levels_spend_is_that_of_the_landscape(share: float) -> None:
    auctions, segments = log(), terms(len(log().segments), share)
    spend = LawAuctions(auctions, auctions.n).spend(DIRECTION, segments)
    for v, level in enumerate(np.exp2(LOG_VALUE)):
        np.testing.assert_allclose(spend[v], by_landscape(auctions, level, segments), rtol=2e-3, atol=1e-6)


@pytest.mark.parametrize("level", [0.35, 0.7, 1.4, 2.3])
def test_between_and_beyond_its_levels_spend_is_near_that_of_the_landscape(level: float) -> None:
    auctions, segments = log(), terms(len(log().segments))
    own = LawAuctions(auctions, auctions.n)
    made = LawCurves.of(own.spend(DIRECTION, segments), DIRECTION, own.mean_kpi)
    found, expected = made.at(np.array([level]))[0], by_landscape(auctions, level, segments)
    np.testing.assert_allclose(found[NEAR], expected[NEAR], rtol=0.02)


def test_curves_of_few_auctions_are_not_the_laws() -> None:
    """Why a law is taken over the whole log: a tenth of it misses what bids spend by more than a percent."""
    auctions, segments = log(), terms(len(log().segments))
    whole, few = (LawAuctions(auctions, most).spend(DIRECTION, segments) for most in (auctions.n, auctions.n // 10))
    assert np.abs(few[:, NEAR] / whole[:, NEAR] - 1.0).max() > 0.01


def test_a_curve_at_level_one_alone_is_moved_by_the_mean_bid() -> None:
    """Where exposure counts for nothing, half the value needs twice the scale."""
    conversions = np.array([0.0, 0.0, 1.0])
    spend = np.exp2(curves.GRID)[None]
    made = LawCurves.of(spend, conversions, np.ones(3)).at(np.array([0.5, 1.0, 2.0]))
    inner = slice(curves.PER_OCTAVE, -curves.PER_OCTAVE)
    for found, factor in zip(made, (0.5, 1.0, 2.0), strict=True):
        np.testing.assert_allclose(found[inner], spend[0, inner] * factor)
