"""Facts about the value of money under a law: by hand in small cases, and by brute force."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.landscape import curves
from bidpilot.envs.markets.law import Law
from bidpilot.envs.markets.money_value import money_value


def law(price: tuple[float, ...], traffic: tuple[float, ...] = (1.0,), slots: int = 4) -> Law:
    return Law(
        demand=np.ones(slots),
        price_curve=np.ones(slots),
        level_slots=2,
        traffic_slots=2,
        value=np.ones(len(price)),
        price=np.array(price),
        traffic=np.array(traffic),
        unshaken=np.ones(slots),
    )


SPEND = np.exp2(curves.GRID) / (1.0 + np.exp2(curves.GRID))  # of an auction at price level 1
INNER = slice(16, 80)  # away from the grid's ends


def test_where_all_is_known_money_adds_up_over_slots() -> None:
    found = money_value(law((1.0,)), SPEND[None], 2.0, 0.0)
    assert not found.later[2].any()
    for block, slots in ((1, 2), (0, 4)):
        near = np.flatnonzero((slots * SPEND < 3.5) & (np.abs(curves.GRID) < 1.75))
        np.testing.assert_allclose(found.later[block][near], slots * SPEND[near], rtol=2e-3)
        np.testing.assert_allclose(found.blind[block][near], slots * SPEND[near], rtol=2e-3)


def test_over_unknown_prices_it_is_what_the_best_of_all_plans_would_have() -> None:
    """One block of two slots, two price levels: the blind scale and the value of money by a search over all scales."""
    prices = (0.5, 2.0)
    found = money_value(law(prices, slots=2), np.stack([SPEND, SPEND]), 1.0, 0.0)

    def spent(x: NDArray[np.float64], p: float) -> NDArray[np.float64]:
        money: NDArray[np.float64] = p * np.interp(x - np.log2(p), curves.GRID, SPEND)
        return money

    fine = np.linspace(-4.5, 4.5, 9001)
    slope = [np.gradient(spent(fine, p)) for p in prices]
    worth = [np.concatenate([[0.0], np.cumsum((np.exp2(-fine) * s)[1:])]) for s in slope]  # value won up to a scale
    total = []
    amounts = (0.6, 0.61)
    best = 0.0
    for money in amounts:
        value = np.zeros_like(fine)
        for p, won in zip(prices, worth, strict=True):
            then = np.interp(money - spent(fine, p), spent(fine, p), fine)
            value += 0.5 * (won + np.interp(then, fine, won))
        best = fine[np.argmax(value)]
        total.append(value.max())
    marginal = (total[1] - total[0]) / (amounts[1] - amounts[0])
    assert abs(np.interp(0.61, found.blind[0], curves.GRID) - best) < 0.03
    assert abs(np.interp(0.605, found.later[0], curves.GRID) + np.log2(marginal)) < 0.03


def test_money_rises_with_the_scale_and_with_the_blocks_to_come() -> None:
    found = money_value(law((0.5, 1.0, 2.0), (0.7, 1.3)), np.stack([SPEND] * 3), 2.0, 0.0)
    assert (np.diff(found.later, axis=1) >= 0).all()
    assert (np.diff(found.blind, axis=1) >= 0).all()
    assert (found.later[0][INNER] >= found.later[1][INNER]).all()
