"""The gate of a slot, request by request, in numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bidpilot.bidding.traffic.gate import Gate
from bidpilot.bidding.traffic.refusal import Refusal
from bidpilot.serving.slot_gate import SlotGate, even_share


@pytest.fixture
def gate() -> SlotGate:
    """Source 0 is free, 1 is refused whole, 2 gets two requests at half of their value."""
    return SlotGate(Gate(np.array([[1.0, 0.0, 0.5]]), np.array([[np.inf, np.inf, 2.0]])), bidders=1)


def test_a_source_is_refused_whole_or_beyond_its_quota(gate: SlotGate) -> None:
    assert [gate.admit(0) for _ in range(3)] == [None] * 3
    assert [gate.admit(1) for _ in range(2)] == [Refusal.source] * 2
    assert [gate.admit(2) for _ in range(4)] == [None, None, Refusal.quota, Refusal.quota]
    assert (gate.requests, gate.refused) == ([3, 2, 4], [0, 2, 2])
    assert [gate.multiplier(k) for k in range(3)] == [1.0, 0.0, 0.5]


def test_asking_counts_nothing(gate: SlotGate) -> None:
    gate.admit(2)
    for _ in range(5):
        assert [gate.refusal(k) for k in range(3)] == [None, Refusal.source, None]
    gate.admit(2)
    assert gate.refusal(2) == Refusal.quota
    assert (gate.requests, gate.refused) == ([0, 0, 2], [0, 0, 0])


def test_what_is_used_of_a_quota_is_told(gate: SlotGate) -> None:
    for _ in range(3):
        gate.admit(2)
    assert gate.explain(2) == {"quota": 2, "requests": 3, "refused": 1}
    assert gate.explain(0) == {"quota": None, "requests": 0, "refused": 0}


@pytest.mark.parametrize(
    ("quota", "bidders", "most"),
    [(7.0, 1, 7), (7.0, 2, 4), (1.0, 4, 1), (0.0, 4, 0), (3.9, 1, 3), (0.9, 2, 0), (math.inf, 2, math.inf)],
)
def test_an_even_share_is_rounded_up_of_whole_requests(quota: float, bidders: int, most: float) -> None:
    """The kernel lets request n pass where n <= quota: of 3.9 three."""
    assert even_share(quota, bidders) == most


def test_a_multiplier_that_is_nothing_in_the_kernels_numbers_refuses() -> None:
    gate = SlotGate(Gate(np.array([[1e-50]]), np.array([[np.inf]])), bidders=1)
    assert gate.admit(0) == Refusal.source
