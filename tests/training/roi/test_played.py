"""What is listed as bought of days that are played: once for reports and for weeks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bidpilot.agents.acting.agent import controller_agent
from bidpilot.bidding.rule import Rule
from bidpilot.bidding.traffic.gate import Gate
from bidpilot.envs.clearing.columns import FirstPrice
from bidpilot.envs.clearing.day import materialise
from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.training.evaluation.suites import log_arena
from bidpilot.training.roi.played import NOTE_EXPECTED, NOTE_FUNNEL, Played
from bidpilot.training.roi.played import played as play
from bidpilot.training.roi.purchases import Asked, Valued
from bidpilot.training.roi.replayed import cleared
from bidpilot.training.roi.rows import Rows
from bidpilot.training.setting.setting import recorded_setting
from tests.envs.clearing.plain_loop import SEGMENTS, SOURCES, N, TinyMarket, clear, make_days, make_log
from tests.training.small_logs import small_log


def played(log: AuctionLog, **terms: Any) -> Played:
    setting = recorded_setting(log)
    arena = log_arena(log, setting.forecast, setting.campaign.model_copy(update=terms))
    return play(arena, controller_agent("mpc"), log.name, Rows.of_log(log))


@pytest.mark.parametrize("budget", [1e4, 90.0])
@pytest.mark.parametrize("gated", [False, True])
def test_won_auctions_are_those_of_the_kernel(budget: float, gated: bool) -> None:
    """Wins, spend and spend by segment and source, with a gate that refuses and one that counts, money short or not."""
    log, rng = make_log(), np.random.default_rng(1)
    alpha, moved = np.array([[0.5, 0.3, 2.0]]), rng.uniform(0.5, 1.5, (1, len(SEGMENTS)))
    gate = Gate(np.array([[1.0, 0.7, 0.0, 1.0, 0.3]]), np.array([[np.inf, 40.0, np.inf, 0.0, 200.0]]))
    rule = Rule(alpha, moved, np.full((1, len(SEGMENTS)), 0.1), gate if gated else None)
    days = replace(make_days((N,), plain=True), start=np.zeros((1, 1), np.int64))
    market = TinyMarket(log, draws_outcomes=False)
    totals, left = clear(market, days, rule, budget)
    second = FirstPrice(np.zeros(1, np.bool_), np.ones(1), np.ones(1))
    found = cleared(materialise(market, days, 0), [rule], 0, budget, second)
    assert 20 < len(found.won) == int(totals.wins[0])
    assert found.cost.sum() == pytest.approx(budget - left[0], rel=1e-9)
    by_segment = np.bincount(log.segment[found.won], found.cost, len(SEGMENTS))
    assert by_segment == pytest.approx(totals.segment_spend[0], rel=1e-9)
    by_source = np.bincount(log.source[found.won], found.cost, SOURCES)
    assert by_source == pytest.approx(totals.source_spend[0], rel=1e-9)


def test_campaigns_of_one_day_are_bought_for_together_and_each_keeps_its_terms() -> None:
    log = small_log("small", "interaction", "conversion", units=6, campaigns=("a", "b"))
    found = played(log)
    bought = found.purchases
    assert bought.days == tuple(f"unit {u}" for u in range(6))
    assert bought.budget.tolist() == [10.0] * 6
    assert bought.asked[:2] == (Asked(0, "a", 5.0, 2.0), Asked(0, "b", 5.0, 2.0))
    assert found.ratio.shape == (6,)
    assert (found.ratio > 0.5).all()
    assert (found.ratio <= 1).all()
    last = bought.of_days(np.arange(6) == 5)
    assert last.asked == (Asked(0, "a", 5.0, 2.0), Asked(0, "b", 5.0, 2.0))


def test_days_with_dates_are_in_the_order_of_their_dates() -> None:
    log = small_log("small", "conversion", units=5)
    dates = ("2026-03-03", "2026-03-01", "2026-03-02", "2026-03-05", "2026-03-04")
    named = tuple(replace(day, unit=unit, label=unit) for day, unit in zip(log.days, dates, strict=True))
    found, plain = played(replace(log, days=named)), played(log)
    order = np.argsort(dates)
    assert [one.day for one in found.purchases.asked] == np.argsort(order).tolist()
    assert found.purchases.days == tuple(sorted(dates)) == found.course.labels
    spend = np.bincount(plain.purchases.day, plain.purchases.cost)[order]
    assert np.bincount(found.purchases.day, found.purchases.cost) == pytest.approx(spend)
    assert found.ratio.tolist() == pytest.approx(plain.ratio[order].tolist())
    np.testing.assert_allclose(found.course.spent, plain.course.spent[order])


def test_at_first_price_an_exposure_costs_what_was_bid() -> None:
    log = small_log("small", "conversion", units=5)
    first, second = played(log, auction="first").purchases, played(log).purchases
    assert first.cost.sum() / first.kpi[:, 2].sum() > second.cost.sum() / second.kpi[:, 2].sum()
    assert np.bincount(first.day, first.cost).max() <= 5.0 + 1e-9


def test_value_is_the_orders_where_they_are_told_and_else_the_conversion_value() -> None:
    log = small_log("small", "conversion", units=5)
    converted = (np.random.default_rng(0).random(log.n) < log.conversion).astype(np.float32)
    plain = played(log).purchases
    assert plain.valued is Valued.expected
    assert NOTE_EXPECTED in plain.notes
    assert plain.value == pytest.approx(2.0 * plain.kpi[:, 2])
    counted = played(replace(log, converted=converted)).purchases
    assert counted.valued is Valued.constant
    assert NOTE_EXPECTED not in counted.notes
    assert counted.value == pytest.approx(2.0 * counted.converted)
    ordered = played(replace(log, converted=converted, order_value=7.0 * converted)).purchases
    assert ordered.valued is Valued.orders
    assert ordered.value == pytest.approx(7.0 * ordered.converted)
    half = np.where(np.arange(log.n) % 2, 7.0 * converted, 0.0).astype(np.float32)
    mixed = played(replace(log, converted=converted, order_value=half)).purchases
    assert mixed.valued is Valued.mixed
    assert set(np.unique(mixed.value[mixed.converted > 0]).tolist()) == {2.0, 7.0}


def test_invalid_wins_bring_nothing_whatever_was_recorded_of_them() -> None:
    log = small_log("small", "conversion", units=5)
    ones, invalid = np.ones(log.n, np.float32), np.random.default_rng(0).random(log.n) < 0.2
    log = replace(log, invalid=invalid, interacted=ones, converted=ones, order_value=7 * ones)
    bought = played(replace(log, funnel=np.ones((log.n, 7), np.uint8))).purchases
    assert bought.invalid is not None
    assert bought.funnel is not None
    assert 0 < bought.invalid.mean() < 0.5
    for column in (bought.kpi, bought.interacted, bought.converted, bought.value, bought.funnel):
        assert not column[bought.invalid].any()
    assert bought.converted.sum() == (~bought.invalid).sum()
    assert set(bought.value[~bought.invalid].tolist()) == {7.0}


def test_the_worth_of_orders_on_invalid_traffic_alone_mixes_nothing() -> None:
    log = small_log("small", "conversion", units=5)
    invalid = np.arange(log.n) % 5 == 0
    worth = np.where(invalid, 0.0, 7.0).astype(np.float32)
    bought = played(replace(log, invalid=invalid, converted=np.ones(log.n, np.float32), order_value=worth)).purchases
    assert bought.invalid is not None
    assert bought.invalid.any()
    assert bought.valued is Valued.orders


def test_events_are_told_only_where_the_log_has_the_outcomes_of_all_auctions() -> None:
    log = replace(small_log("small", "conversion", units=5))
    funnel = np.ones((log.n, 7), np.uint8)
    found = played(replace(log, funnel=funnel))
    assert found.purchases.funnel is None
    assert found.events is None
    assert NOTE_FUNNEL in found.purchases.notes
    told = played(replace(log, interacted=log.interaction.copy(), funnel=funnel))
    assert told.purchases.funnel is not None
    assert told.events is not None
    assert told.events.sum() == told.purchases.funnel.sum() == 7 * len(told.purchases)
    assert NOTE_FUNNEL not in told.purchases.notes
