"""The published protocol: its clearing, its bidders' formulas, and the value recursion against a plain maximum."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidpilot.agents.baselines.published.ipinyou import (
    MAX_BID,
    Auctions,
    Bidder,
    Training,
    clear_bids,
    play,
    read_auctions,
    read_training,
)
from bidpilot.agents.baselines.published.linear import Linear, Mcpc, Replan
from bidpilot.agents.baselines.published.value_table import rlb, ss_mdp, value_table
from bidpilot.bidding.errors import InvalidProtocol


def draw(n: int, seed: int = 0) -> Auctions:
    rng = np.random.default_rng(seed)
    theta = rng.lognormal(-3, 1.0, n).clip(0, 0.5)
    price = rng.lognormal(3.5, 0.8, n).astype(np.int64).clip(0, MAX_BID)
    return Auctions(price, theta, (rng.random(n) < theta).astype(np.int64))


def bidders(training: Training, budget: int, episode: int) -> list[Bidder]:
    table = value_table(training.price_density, training.click_rate, episode, budget)
    lin = Linear(training, budget, episode)
    return [lin, Mcpc(training), ss_mdp(table, training.click_rate), rlb(table), Replan(training)]


def test_a_tie_wins_pays_the_market_price_and_the_budget_cuts_the_bid() -> None:
    price = np.array([5, 6, 3, 9, 0])
    # Budget 10: 5 wins a tie, then 5 is left: 6 is out of reach, 3 wins, 9 does not; what is free is always won.
    won = clear_bids(np.array([5, 8, 8, 8, 0]), price, 10, 100)
    assert won.tolist() == [True, False, True, False, True]


def test_every_episode_has_the_full_budget_also_the_last_shorter_one() -> None:
    auctions = Auctions(np.full(25, 4), np.full(25, 0.1), np.zeros(25, np.int64))
    found = play(
        Mcpc(Training(Auctions(np.full(9, 40), np.full(9, 0.1), np.eye(9, dtype=np.int64)[0]))), auctions, 12, 10
    )
    assert found.wins.tolist() == [3, 3, 3]
    assert found.auctions.tolist() == [10, 10, 5]
    assert found.cost.tolist() == [12, 12, 12]
    np.testing.assert_allclose(found.expected, [0.3, 0.3, 0.3])


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 600))
def test_no_bidder_spends_more_than_its_budget(seed: int, budget: int) -> None:
    training, test = Training(draw(300, seed)), draw(250, seed + 1)
    if not training.auctions.click.any():
        return
    for bidder in bidders(training, budget, 60):
        found = play(bidder, test, budget, 60)
        assert (found.cost <= budget).all(), bidder.name
        assert found.auctions.sum() == 250


def test_the_budget_is_the_mean_train_price_times_share_times_episode() -> None:
    training = Training(Auctions(np.array([50, 61]), np.array([0.1, 0.2]), np.array([0, 1])))
    assert training.budget(1 / 32, 1000) == int(55.5 * 1000 / 32) == 1734
    with pytest.raises(InvalidProtocol, match="larger share"):
        training.budget(0.001, 1)


def test_mcpc_bids_what_a_click_costs_times_the_rate() -> None:
    training = Training(Auctions(np.array([30, 70]), np.array([0.5, 0.5]), np.array([1, 0])))
    prices = np.array([49, 50, 51])  # a click costs 100, the rate is one half
    found = Mcpc(training).wins(Auctions(prices, np.full(3, 0.5), np.zeros(3, np.int64)), 1000, 10)
    assert found.tolist() == [True, True, False]


def test_linear_takes_the_base_that_wins_most_training_clicks() -> None:
    # Only the dear auctions click: at the mean rate a bid of 48 wins them, one of 42 does not.
    price, click = np.tile([10, 45], 50), np.tile([0, 1], 50)
    training = Training(Auctions(price, np.full(100, 0.5), click))
    lin = Linear(training, 10**6, 100)
    assert lin.base >= 48
    assert lin.wins(training.auctions, 10**6, 100).all()


def test_the_density_adds_one_to_every_count() -> None:
    density = Training(Auctions(np.array([3, 3, 5]), np.zeros(3), np.array([1, 0, 0]))).price_density
    assert density.shape == (301,)
    assert density[3] * 304 == pytest.approx(3)
    assert density[5] * 304 == pytest.approx(2)
    assert density[0] * 304 == pytest.approx(1)
    assert density.sum() == pytest.approx(1)


def test_the_value_table_is_the_greatest_expectation_over_all_bids() -> None:
    rng = np.random.default_rng(3)
    density = rng.dirichlet(np.ones(9))
    rate, episode, budget = 0.3, 7, 20
    table = value_table(density, rate, episode, budget)
    plain = np.zeros((episode, budget + 1))
    for n in range(1, episode):
        for b in range(1, budget + 1):
            keep = plain[n - 1, b]
            wins = [density[d] * (rate + plain[n - 1, b - d] - keep) for d in range(min(8, b) + 1)]
            plain[n, b] = keep + max(0.0, np.cumsum(wins).max())
    np.testing.assert_allclose(table, plain, atol=1e-9)


def test_values_rise_with_budget_and_auctions_to_that_of_an_endless_budget() -> None:
    density = np.array([0.2, 0.5, 0.3])
    table = value_table(density, 0.1, 50, 200)
    assert (np.diff(table, axis=1) >= -1e-12).all()
    assert (np.diff(table[:, 1:], axis=0) >= -1e-12).all()
    np.testing.assert_allclose(table[:, 150], 0.1 * np.arange(50), atol=1e-9)


def test_rlb_bids_the_largest_price_whose_gain_is_not_negative() -> None:
    table = np.zeros((2, 6))
    table[1] = [0.0, 0.4, 0.7, 0.9, 1.0, 1.0]

    def wins(theta: float, price: int) -> bool:
        # With two auctions to come and a budget of 4, paying 2 costs 1.0 - 0.7 = 0.3 clicks.
        auctions = Auctions(np.array([price, 9]), np.array([theta, 0.0]), np.zeros(2, np.int64))
        return bool(rlb(table).wins(auctions, 4, 2)[0])

    assert wins(0.3001, 2)
    assert not wins(0.2999, 2)
    assert wins(0.0, 0)
    assert not wins(0.5, 5)  # the budget left


def test_ss_mdp_looks_at_no_click_rate_and_the_others_do() -> None:
    training, test = Training(draw(3000)), draw(2000, 5)
    shuffled = Auctions(test.price, np.random.default_rng(0).permutation(test.theta), test.click)
    for bidder in bidders(training, 2000, 200):
        same = np.array_equal(bidder.wins(test, 2000, 200), bidder.wins(shuffled, 2000, 200))
        assert same is (bidder.name == "ss-mdp"), bidder.name


def test_a_replanned_rule_spends_its_budget_and_beats_a_blind_one() -> None:
    training, test = Training(draw(20_000)), draw(10_000, 7)
    budget = training.budget(1 / 8, 500)
    plays = {bidder.name: play(bidder, test, budget, 500) for bidder in bidders(training, budget, 500)}
    assert plays["replan"].cost.sum() / (20 * budget) > 0.97
    assert plays["replan"].expected.sum() > plays["rlb"].expected.sum() > plays["ss-mdp"].expected.sum()


def test_what_the_protocol_cannot_play_is_named(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text("0 5 0.1\n0 5.5 0.1\n")
    with pytest.raises(InvalidProtocol, match="whole number"):
        read_auctions([path])
    path.write_text("0 5 0.1\n0 x 0.1\n")
    with pytest.raises(InvalidProtocol, match="row 1"):
        read_auctions([path])
    path.write_text("0 5 0.1\n0 6 0.1 3\n")
    assert read_auctions([path]).price.tolist() == [5, 6]
    with pytest.raises(InvalidProtocol, match="no click"):
        read_training([path])
