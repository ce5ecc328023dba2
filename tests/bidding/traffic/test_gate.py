"""What a gate may hold."""

from __future__ import annotations

import numpy as np
import pytest

from bidpilot.bidding.errors import InvalidGate
from bidpilot.bidding.traffic.gate import Gate

ONES = np.ones((2, 3))


@pytest.mark.parametrize("value", [-0.01, 1.01, np.nan, np.inf])
def test_multipliers_lie_between_none_and_the_whole_of_a_bid(value: float) -> None:
    multiplier = ONES.copy()
    multiplier[1, 2] = value
    with pytest.raises(InvalidGate, match=r"in \[0, 1\]"):
        Gate(multiplier, ONES)


@pytest.mark.parametrize("value", [-1.0, np.nan])
def test_quotas_are_none_or_more(value: float) -> None:
    quota = ONES.copy()
    quota[0, 1] = value
    with pytest.raises(InvalidGate, match="0 or more"):
        Gate(ONES, quota)


@pytest.mark.parametrize(("rows", "sources"), [(2, 4), (1, 3), (2, 0)])
def test_both_are_of_the_same_rows_and_sources(rows: int, sources: int) -> None:
    with pytest.raises(InvalidGate, match="per row and source"):
        Gate(ONES, np.ones((rows, sources)))
    with pytest.raises(InvalidGate, match="per row and source"):
        Gate(np.ones((2, 0)), np.ones((2, 0)))
    with pytest.raises(InvalidGate, match="per row and source"):
        Gate(np.ones(3), np.ones(3))


def test_an_open_gate_lets_everything_pass() -> None:
    gate = Gate.open(2, 3)
    assert gate.multiplier.tolist() == [[1, 1, 1], [1, 1, 1]]
    assert np.isposinf(gate.quota).all()
    assert gate.quota.shape == (2, 3)
