"""The bid rule in numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from bidpilot.bidding.errors import InvalidGate
from bidpilot.bidding.rule import Rule, price
from bidpilot.bidding.traffic.gate import Gate


def test_the_bid_is_the_value_times_the_multiplier_plus_the_share_price() -> None:
    """Row 1: alpha . v = 2 * 0.5 + 10 * 0.25 + 100 * 0.0125 = 1 + 2.5 + 1.25 = 4.75."""
    rule = Rule(
        alpha=np.array([[7.0, 7.0, 7.0], [2.0, 10.0, 100.0]]),
        multiplier=np.array([[9.0, 9.0, 9.0], [1.0, 0.5, 0.0]]),
        beta=np.array([[8.0, 8.0, 8.0], [0.0, 0.25, 0.125]]),
    )
    value = np.tile([0.5, 0.25, 0.0125], (3, 1))
    # 1 * 4.75 + 0; 0.5 * 4.75 + 0.25; 0 * 4.75 + 0.125
    np.testing.assert_allclose(price(rule, 1, value, np.array([0, 1, 2])), [4.75, 2.625, 0.125], rtol=1e-15)


def test_the_gate_multiplies_the_whole_bid_by_source() -> None:
    """alpha . v = 2; 0.5 * 2 + 0.25 = 1.25 in segment 1, times 1, 0.5 and 0 for sources 0, 2 and 1."""
    gate = Gate(np.array([[1.0, 0.0, 0.5]]), np.full((1, 3), np.inf))
    rule = Rule(np.array([[4.0, 0.0, 0.0]]), np.array([[1.0, 0.5]]), np.array([[0.0, 0.25]]), gate)
    value, segment = np.tile([0.5, 0.0, 0.0], (3, 1)), np.array([1, 1, 1])
    assert price(rule, 0, value, segment, np.array([0, 2, 1])).tolist() == [1.25, 0.625, 0.0]
    with pytest.raises(InvalidGate, match="`source`"):
        price(rule, 0, value, segment)
