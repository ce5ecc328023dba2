"""What is told of won auctions: views, kinds of interactions and conversions, by the source they come from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bidpilot.bidding.day.slot_totals import SlotTotals
from bidpilot.bidding.event import COMPLETE, CONVERT, INTERACTIONS, VIEW
from bidpilot.envs.clearing.settle import COMPLETION, EVENT_PROBABILITY, KIND_SHARES
from bidpilot.envs.logs.day_batch import INVALID_VIEWS
from bidpilot.envs.synthetic.generate import RESPONSE_LOGITS
from tests.envs.clearing.plain_loop import N, TinyMarket, clear, flat_rule, make_days, make_log

DAYS = 60


def won(invalid: bool = False, drawn: bool = True) -> tuple[TinyMarket, SlotTotals]:
    """All auctions of the log won on 60 days that differ by their salt alone."""
    log = replace(make_log(), invalid=np.full(N, invalid))
    market, days = TinyMarket(log, drawn), make_days((N,) * DAYS, plain=True)
    days = replace(days, start=np.zeros((DAYS, 1), np.int64))
    return market, clear(market, days, flat_rule(1e3, DAYS), 1e9, reference=np.ones((DAYS, 3)))[0]


def test_a_view_is_told_as_often_as_a_win_is_an_exposure_and_a_fixed_share_of_them_is_of_the_whole() -> None:
    market, got = won()
    expected = np.bincount(market.log.source, market.log.true_exposure)
    np.testing.assert_allclose(got.source_views.mean(axis=0), expected, rtol=0.02)
    assert got.source_views.std(axis=0).min() > 1  # drawn anew each day
    np.testing.assert_array_equal(got.funnel[:, VIEW], got.source_views.sum(axis=1))
    assert got.funnel[:, COMPLETE].sum() / got.funnel[:, VIEW].sum() == pytest.approx(COMPLETION, abs=0.005)


def test_an_invalid_win_tells_a_tenth_of_the_views_and_nothing_else() -> None:
    (_, valid), (_, invalid) = won(), won(invalid=True)
    assert invalid.source_views.sum() / valid.source_views.sum() == pytest.approx(INVALID_VIEWS, rel=0.03)
    assert not invalid.source_events.any()
    assert not invalid.source_converted.any()
    assert not invalid.funnel[:, COMPLETE + 1 :].any()


def test_exposure_is_predicted_whatever_is_told() -> None:
    market, got = won(invalid=True)
    of_source = np.bincount(market.log.source, market.log.exposure)
    np.testing.assert_allclose(got.source_exposed, np.broadcast_to(of_source, (DAYS, 5)), rtol=1e-6)


def test_interactions_are_events_of_four_kinds_with_the_shares_of_the_funnel() -> None:
    _, got = won()
    assert got.source_events.sum() / got.wins.sum() == pytest.approx(EVENT_PROBABILITY, rel=0.03)
    kinds = got.funnel[:, INTERACTIONS].sum(axis=0)
    assert kinds.sum() == got.source_events.sum()
    np.testing.assert_allclose(kinds / kinds.sum(), KIND_SHARES, atol=0.01)


def test_the_shares_of_kinds_are_those_of_the_synthetic_funnel() -> None:
    """A response follows a play with the logistic of its logit, at average warmth."""
    often = 1 / (1 + np.exp(-np.array(RESPONSE_LOGITS)))
    np.testing.assert_allclose(KIND_SHARES, often / often.sum(), atol=0.006)


def test_conversions_are_told_by_source_and_in_the_funnel() -> None:
    _, got = won()
    np.testing.assert_allclose(got.source_converted.sum(axis=1), got.realised[:, 2])
    np.testing.assert_array_equal(got.funnel[:, CONVERT], got.realised[:, 2])
    assert got.source_converted.all()


def test_recorded_outcomes_tell_no_views_and_no_kinds() -> None:
    market, got = won(drawn=False)
    log = market.log
    assert log.interacted is not None
    assert log.converted is not None
    assert not got.source_views.any()
    assert not got.funnel[:, :CONVERT].any()
    for told, column in ((got.source_events, log.interacted > 0), (got.source_converted, log.converted)):
        np.testing.assert_array_equal(told, np.broadcast_to(np.bincount(log.source, column), told.shape))
    np.testing.assert_array_equal(got.funnel[:, CONVERT], log.converted.sum())


def test_without_statistics_what_wins_bring_is_left_as_it_was() -> None:
    market, got = won()
    days = replace(make_days((N,) * DAYS, plain=True), start=np.zeros((DAYS, 1), np.int64))
    views = got.source_views.copy()
    again, _ = clear(market, days, flat_rule(1e3, DAYS), 10.0, out=got)
    assert (again.spend <= 10.0).all()
    np.testing.assert_array_equal(again.source_views, views)
