"""The bid rule in numbers worked out by hand."""

from __future__ import annotations

import numpy as np

from bidpilot.bidding.rule import Rule, price


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
