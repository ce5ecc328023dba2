"""Doubly robust estimates of censored auctions: closed forms, and no bias where either side is right."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from bidpilot.training.off_policy.estimators import Tries, effective_share, estimate, importance, outcome

Array = NDArray[np.float64]


class Exponential:
    """Prices that are believed to be exponential of this mean."""

    def __init__(self, mean: float) -> None:
        self.mean = mean

    def given(self, above: Array, bid: Array) -> Array:
        reach = np.maximum(bid - above, 0.0) / self.mean
        wins = -np.expm1(-reach)
        cost = np.where(bid > above, (above + self.mean) * wins - np.exp(-reach) * np.maximum(bid - above, 0.0), 0.0)
        return np.stack([wins, cost], axis=-1)


def tried(rng: np.random.Generator, factors: list[float], shares: list[float], size: int) -> tuple[Tries, Array]:
    """Auctions of exponential prices of mean 1, bid on at random levels around 1; and their true prices."""
    price = rng.exponential(1.0, size)
    levels = np.outer(rng.uniform(0.8, 1.2, size), factors)
    drawn = rng.choice(len(factors), size, p=shares)
    made = levels[np.arange(size), drawn]
    return Tries(levels, np.array(shares), drawn, np.where(price <= made, price, np.nan)), price


@given(st.integers(0, 10_000), st.floats(0.1, 10.0))
def test_what_was_bid_brings_what_the_log_says_whatever_the_model(seed: int, mean: float) -> None:
    tries, price = tried(np.random.default_rng(seed), [1.0], [1.0], 50)
    found = estimate(tries.made, tries, Exponential(mean))
    assert found.robust.tolist() == outcome(price, tries.made).tolist()
    assert found.beyond.tolist() == np.zeros((50, 2)).tolist()


@given(st.integers(0, 10_000), st.floats(0.0, 1.0))
def test_lower_bids_are_known_from_the_log_alone(seed: int, share: float) -> None:
    tries, price = tried(np.random.default_rng(seed), [1.0], [1.0], 50)
    found = estimate(share * tries.made, tries, Exponential(3.0))
    assert found.robust.tolist() == outcome(price, share * tries.made).tolist()


def test_above_the_only_level_the_model_answers_for_what_was_lost() -> None:
    tries = Tries(np.ones((2, 1)), np.ones(1), np.zeros(2, np.int64), np.array([0.5, np.nan]))
    found = estimate(np.full(2, 2.0), tries, Exponential(1.0))
    assert found.robust[0].tolist() == [1.0, 0.5]
    # price above 1, memoryless: 1 + an exponential that is below 1 with probability 1 - 1 / e
    assert found.robust[1] == pytest.approx([1 - np.exp(-1), (2.0 * (1 - np.exp(-1)) - np.exp(-1))])
    assert found.beyond[1, 0] == pytest.approx(np.exp(-1) - np.exp(-2))


@pytest.mark.parametrize("factor", [0.7, 1.0, 1.3])
@pytest.mark.parametrize(("mean", "told"), [(0.4, True), (2.5, True), (1.0, False)])
def test_there_is_no_bias_where_the_shares_or_the_model_are_right(factor: float, mean: float, told: bool) -> None:
    rng = np.random.default_rng(1)
    shares = [0.2, 0.5, 0.3]
    tries, price = tried(rng, [0.75, 1.0, 1.35], shares, 60_000)
    bid = factor * tries.levels[:, 1]
    if not told:  # shares of another draw than was made
        tries = tries._replace(shares=np.array([0.6, 0.3, 0.1]))
    found = estimate(bid, tries, Exponential(mean))
    truth = outcome(price, bid)
    gap = found.robust - truth
    error = gap.std(axis=0) / np.sqrt(len(bid))
    assert (np.abs(gap.mean(axis=0)) <= 4 * error).all()
    if told and factor > 1:  # what it mends
        assert abs((found.plain - truth).mean(axis=0)[0]) > 10 * error[0]


def test_prices_that_are_told_of_every_auction_leave_nothing_to_the_model() -> None:
    tries, price = tried(np.random.default_rng(0), [0.5, 1.0], [0.5, 0.5], 100)
    told = tries._replace(price=price)
    found = estimate(np.full(100, 5.0), told, Exponential(0.1))
    assert found.robust.tolist() == found.plain.tolist() == outcome(price, np.full(100, 5.0)).tolist()
    assert not found.beyond.any()


def test_weights_are_cut() -> None:
    tries = Tries(np.tile([1.0, 2.0], (2, 1)), np.array([0.99, 0.01]), np.array([1, 0]), np.array([1.5, np.nan]))
    model = Exponential(1.0)
    after_low = float(model.given(np.ones(1), np.full(1, 2.0))[0, 0])  # of a price above 1
    for most in (100.0, 20.0, 1.0):
        found = estimate(np.full(2, 2.0), tries, model, most)
        assert found.robust[0, 0] == pytest.approx(after_low + most * (1.0 - after_low))


def test_importance_is_one_over_the_chance_that_an_outcome_is_seen() -> None:
    levels = np.tile([1.0, 2.0, 4.0], (3, 1))
    tries = Tries(levels, np.array([0.5, 0.25, 0.25]), np.arange(3), np.full(3, np.nan))
    assert importance(np.full(3, 1.0), tries).tolist() == [1.0, 1.0, 1.0]
    assert importance(np.full(3, 1.5), tries).tolist() == [0.0, 2.0, 2.0]
    assert importance(np.full(3, 3.0), tries).tolist() == [0.0, 0.0, 4.0]
    assert importance(np.full(3, 5.0), tries).tolist() == [0.0, 0.0, 0.0]
    assert effective_share(np.ones(7)) == 1.0
    assert effective_share(np.array([4.0, 0.0, 0.0, 0.0])) == 0.25
    assert effective_share(np.zeros(3)) == 0.0
