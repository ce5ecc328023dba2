"""A market of few bidders, small enough for plain loops."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.rule import Rule
from bidpilot.envs.answering.config import RivalMarketConfig
from bidpilot.envs.answering.days import RivalDays
from bidpilot.envs.answering.market import RivalMarket
from bidpilot.envs.clearing.columns import FirstPrice
from bidpilot.envs.logs.day_batch import DayBatch

SMALL: dict[str, Any] = {
    "bidders": 7,
    "slots": 4,
    "level_slots": 2,
    "traffic_slots": 2,
    "auctions_per_slot": 300.0,
    "pool_auctions": 4096,
    "shares": (0.25, 0.25, 0.25, 0.25),
    "budget": 10.0,
}


def small_market(played: int = 2, answering: bool = True, **changes: Any) -> RivalMarket:
    return RivalMarket(RivalMarketConfig(**SMALL | changes), np.random.SeedSequence([1, 2]), played, answering)


def some_days(market: RivalMarket, markets: int = 3, seed: int = 0) -> tuple[DayBatch, RivalDays]:
    days = market.days(np.random.default_rng(seed).random((markets * market.played, market.draws)))
    assert isinstance(days.answers, RivalDays)
    return days, days.answers


def some_rule(market: RivalMarket, rows: int, scale: float) -> Rule:
    """Bids near the price for a mean auction, some segments for more than others."""
    log = market.log
    mean = np.array([log.exposure.mean(), log.interaction.mean(), log.conversion.mean()])
    segments = len(log.segments)
    multiplier = np.tile(np.linspace(0.7, 1.3, segments), (rows, 1))
    return Rule(np.tile(scale * 0.084 / 3 / mean, (rows, 1)), multiplier, np.zeros((rows, segments)))


def bids_paid(rows: int, first_price: bool) -> FirstPrice:
    return FirstPrice(np.full(rows, first_price), np.ones(256), np.ones(rows))


def plain_slot(
    days: DayBatch, rivals: RivalDays, t: int, rule: Rule, left: NDArray[np.float64], first_price: bool
) -> dict[str, NDArray[Any]]:
    """A slot auction by auction and bidder by bidder; nothing that is passed is changed."""
    field, columns, played = rivals.field, rivals.columns, rivals.played
    markets, bidders = field.left.shape
    spent, wins = np.zeros((markets, bidders)), np.zeros((markets, bidders), np.int64)
    prices = columns.market_price.copy()
    for g in range(markets):
        budget = np.concatenate([left[g * played : (g + 1) * played], field.left[g, played:]])
        for k in range(days.count[g * played, t]):
            offers = np.zeros(bidders)
            for n in range(bidders):
                offers[n] = min(_bid(days, rivals, g, n, t, k, rule), max(budget[n], 0.0))
            for j in range(played):
                row = g * played + j
                others = max(np.delete(offers, j).max(), float(field.least_price))
                prices[days.start[row, t] + k] = others
            winner = int(offers.argmax())
            if offers[winner] < field.least_price:
                continue
            second = max(np.delete(offers, winner).max(), float(field.least_price))
            paid = offers[winner] if first_price else second
            budget[winner] -= paid
            spent[g, winner] += paid
            wins[g, winner] += 1
    return {"spent": spent, "wins": wins, "prices": prices}


def _bid(days: DayBatch, rivals: RivalDays, g: int, n: int, t: int, k: int, rule: Rule) -> float:
    field, columns = rivals.field, rivals.columns
    if n >= rivals.played:
        scale = field.multiplier[g, n] * field.level[g, t, n]
        return float(scale * field.values[n, field.start[g, t] + k])
    row = g * rivals.played + n
    i, alpha = days.start[row, t] + k, rule.alpha[row].astype(np.float32)
    s = columns.segment[i]
    rest = alpha[1] * columns.interaction[i] + alpha[2] * columns.conversion[i]
    worth = alpha[0] * columns.exposure[i] + days.value_scale[row, t, s] * rest
    return float(np.float32(rule.multiplier[row, s]) * worth + np.float32(rule.beta[row, s]))
