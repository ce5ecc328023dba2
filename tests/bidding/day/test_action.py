"""Facts about the action: zero bids the plan, and each entry does what the design says."""

from __future__ import annotations

import numpy as np
import pytest

from bidpilot.bidding.day.action import action_size, decode
from bidpilot.bidding.errors import InvalidAction
from bidpilot.bidding.rule import price

ALPHA = np.array([[1.0, 2.0, 3.0]])
BETA = np.array([[0.5, 0.0]])


def act(**entries: float) -> np.ndarray:
    action = np.zeros((1, 5))
    for name, value in entries.items():
        action[0, int(name[1:])] = value
    return action


def test_zero_bids_the_plan() -> None:
    rule = decode(act(), ALPHA, beta=BETA)
    np.testing.assert_array_equal(rule.alpha, ALPHA)
    np.testing.assert_array_equal(rule.multiplier, 1.0)
    np.testing.assert_array_equal(rule.beta, BETA)
    np.testing.assert_array_equal(decode(act(), ALPHA).beta, 0.0)


def test_each_entry_does_what_the_design_says() -> None:
    scaled = decode(act(a0=0.4), ALPHA, beta=BETA)
    np.testing.assert_allclose(scaled.alpha, ALPHA * np.exp(1.5 * 0.4))
    np.testing.assert_allclose(scaled.beta, BETA * np.exp(1.5 * 0.4))
    np.testing.assert_allclose(decode(act(a1=-1.0), ALPHA).alpha, ALPHA * [1, np.exp(-0.7), 1])
    np.testing.assert_allclose(decode(act(a2=0.5), ALPHA).alpha, ALPHA * [1, 1, np.exp(0.35)])
    np.testing.assert_allclose(decode(act(a3=1.0, a4=0.0), ALPHA).multiplier, np.exp([[0.35, -0.35]]))
    np.testing.assert_allclose(decode(act(a3=0.8, a4=0.8), ALPHA).multiplier, 1.0)  # centred: no second scale


def test_beyond_the_bounds_it_is_clipped_and_float32_is_taken() -> None:
    far, edge = decode(act(a0=9.0, a3=-9.0), ALPHA), decode(act(a0=1.0, a3=-1.0).astype(np.float32), ALPHA)
    np.testing.assert_array_equal(far.alpha, edge.alpha)
    np.testing.assert_array_equal(far.multiplier, edge.multiplier)


def test_the_bid_is_the_rule() -> None:
    rule = decode(act(a3=1.0, a4=-1.0), ALPHA, beta=BETA)
    value, segment = np.array([[1.0, 0.5, 0.1], [1.0, 0.0, 0.0]]), np.array([0, 1])
    want = [np.exp(0.7) * (1 + 1 + 0.3) + 0.5, np.exp(-0.7) * 1.0]
    np.testing.assert_allclose(price(rule, 0, value, segment), want)
    assert action_size(2) == 5


@pytest.mark.parametrize("bad", [np.zeros(5), np.zeros((2, 5)), np.zeros((1, 3)), act(a1=np.nan), act(a4=np.inf)])
def test_a_wrong_shape_or_value_is_refused(bad: np.ndarray) -> None:
    with pytest.raises(InvalidAction):
        decode(bad, ALPHA)


def test_segment_entries_move_the_plans_own_multipliers() -> None:
    caps = np.array([[1.0, 0.25]])
    np.testing.assert_array_equal(decode(act(), ALPHA, caps).multiplier, caps)
    np.testing.assert_allclose(decode(act(a3=1.0, a4=0.0), ALPHA, caps).multiplier, caps * np.exp([[0.35, -0.35]]))
