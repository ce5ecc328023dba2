"""What is listed as won of a log is what clearing has won of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bidpilot.bidding.rule import Rule
from bidpilot.bidding.traffic.gate import Gate
from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.training.evaluation.play import Arena
from bidpilot.training.roi.played import NOTE_FUNNEL, PlayedDays, played_purchases, won_auctions
from bidpilot.training.roi.purchases import Valued
from bidpilot.training.setting.setting import recorded_setting
from tests.envs.clearing.plain_loop import SEGMENTS, SOURCES, N, TinyMarket, clear, make_days, make_log
from tests.training.small_logs import small_log


def played(log: AuctionLog) -> PlayedDays:
    setting = recorded_setting(log)
    return played_purchases(log, setting.forecast, setting.campaign, "its own")


@pytest.mark.parametrize("budget", [1e4, 90.0])
@pytest.mark.parametrize("gated", [False, True])
def test_won_auctions_are_those_of_the_kernel(budget: float, gated: bool) -> None:
    """Wins, spend and spend by segment and source, with a gate that refuses and one that counts, money short or not."""
    log, rng = make_log(), np.random.default_rng(1)
    alpha, moved = np.array([[0.5, 0.3, 2.0]]), rng.uniform(0.5, 1.5, (1, len(SEGMENTS)))
    gate = Gate(np.array([[1.0, 0.7, 0.0, 1.0, 0.3]]), np.array([[np.inf, 40.0, np.inf, 0.0, 200.0]]))
    rule = Rule(alpha, moved, np.full((1, len(SEGMENTS)), 0.1), gate if gated else None)
    days = replace(make_days((N,), plain=True), start=np.zeros((1, 1), np.int64))
    totals, left = clear(TinyMarket(log, draws_outcomes=False), days, rule, budget)
    won = won_auctions(log, 0, log.n, rule, 0, budget)
    assert 20 < len(won) == int(totals.wins[0])
    spend = log.market_price[won].astype(np.float64)
    assert spend.sum() == pytest.approx(budget - left[0], rel=1e-9)
    by_segment = np.bincount(log.segment[won], spend, len(SEGMENTS))
    assert by_segment == pytest.approx(totals.segment_spend[0], rel=1e-9)
    assert np.bincount(log.source[won], spend, SOURCES) == pytest.approx(totals.source_spend[0], rel=1e-9)


def test_a_played_log_spends_what_its_arena_spends(monkeypatch: pytest.MonkeyPatch) -> None:
    log = small_log("small", "interaction", "conversion", units=6, campaigns=("a", "b"))
    spent: list[Any] = []
    whole = Arena.play

    def keep(self: Arena, *args: Any, **kwargs: Any) -> Any:
        outcome = whole(self, *args, **kwargs)
        spent.append((self.campaigns.budget - self.episode.left, self.episode.kpi.copy()))
        return outcome

    monkeypatch.setattr(Arena, "play", keep)
    found = played(log)
    bought, (money, kpi) = found.purchases.by(), spent[0]
    assert bought.days == tuple(f"unit {u}" for u in range(6))
    assert bought.spend[:, 0] == pytest.approx(money.reshape(6, 2).sum(axis=1), rel=1e-6)
    assert bought.expected[:, 0] == pytest.approx(kpi.reshape(6, 2, 3).sum(axis=1), rel=1e-4)
    assert bought.budget.tolist() == [10.0] * 6
    assert found.ratios.shape == (6,)
    assert (found.ratios > 0.5).all()
    assert (found.ratios <= 1).all()


def test_value_is_the_orders_where_they_are_told_and_else_the_conversion_value() -> None:
    log = small_log("small", "conversion", units=5)
    converted = (np.random.default_rng(0).random(log.n) < log.conversion).astype(np.float32)
    plain = played(log).purchases
    assert plain.valued is Valued.expected
    assert plain.value == pytest.approx(2.0 * plain.kpi[:, 2])
    counted = played(replace(log, converted=converted)).purchases
    assert counted.valued is Valued.constant
    assert counted.value == pytest.approx(2.0 * counted.converted)
    ordered = played(replace(log, converted=converted, order_value=7.0 * converted)).purchases
    assert ordered.valued is Valued.orders
    assert ordered.value == pytest.approx(7.0 * ordered.converted)
    half = np.where(np.arange(log.n) % 2, 7.0 * converted, 0.0).astype(np.float32)
    mixed = played(replace(log, converted=converted, order_value=half)).purchases
    assert mixed.valued is Valued.mixed
    assert set(np.unique(mixed.value[mixed.converted > 0]).tolist()) == {2.0, 7.0}


def test_invalid_wins_bring_nothing_and_events_of_another_bidder_are_left_out() -> None:
    log = small_log("small", "conversion", units=5)
    invalid = np.random.default_rng(0).random(log.n) < 0.2
    bought = played(replace(log, invalid=invalid, funnel=np.ones((log.n, 7), np.uint8))).purchases
    assert bought.invalid is not None
    assert 0 < bought.invalid.mean() < 0.5
    assert not bought.kpi[bought.invalid].any()
    assert bought.funnel is None
    assert NOTE_FUNNEL in bought.notes
    told = played(replace(log, interacted=log.interaction.copy(), funnel=np.ones((log.n, 7), np.uint8))).purchases
    assert told.funnel is not None
    assert told.funnel.sum() == 7 * len(told)
