"""The gate of a slot, request by request, in numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from bidpilot.bidding.traffic.gate import Gate
from bidpilot.bidding.traffic.refusal import Refusal
from bidpilot.serving.slot_gate import SlotGate


@pytest.fixture
def gate() -> SlotGate:
    """Source 0 is free, 1 is refused whole, 2 gets two requests at half of their value."""
    return SlotGate(Gate(np.array([[1.0, 0.0, 0.5]]), np.array([[np.inf, np.inf, 2.0]])))


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
    ("quota", "share", "most"),
    [
        (7.0, 1.0, 7),
        (7.0, 1 / 2, 4),
        (1.0, 1 / 4, 1),
        (0.0, 1 / 4, 0),
        (3.9, 1.0, 3),
        (0.9, 1 / 2, 0),
        (100.0, 0.03, 3),
        (100.0, 0.97, 97),
        (49.0, 1 / 49, 1),  # 49 * (1 / 49) is not 1 in binary fractions
    ],
)
def test_a_share_of_a_quota_is_rounded_up_of_whole_requests(quota: float, share: float, most: int) -> None:
    """The kernel lets request n pass where n <= quota: of 3.9 three."""
    gate = SlotGate(Gate(np.ones((1, 1)), np.array([[quota]])), share)
    assert [gate.admit(0) for _ in range(most + 2)] == [None] * most + [Refusal.quota] * 2


def test_each_source_has_a_share_of_its_own_and_no_quota_has_none() -> None:
    gate = SlotGate(Gate(np.ones((1, 3)), np.array([[10.0, 10.0, np.inf]])), np.array([0.9, 0.1, 0.1]))
    assert [gate.explain(k)["quota"] for k in range(3)] == [9, 1, None]


def test_another_gate_goes_on_counting_where_the_one_before_was(gate: SlotGate) -> None:
    for _ in range(3):
        gate.admit(2)
    after = SlotGate(Gate(np.ones((1, 3)), np.array([[np.inf, np.inf, 4.0]])))
    after.count_on(gate)
    assert [after.admit(2) for _ in range(2)] == [None, Refusal.quota]
    assert (after.requests, after.refused) == ([0, 0, 5], [0, 0, 2])


def test_a_multiplier_that_is_nothing_in_the_kernels_numbers_refuses() -> None:
    gate = SlotGate(Gate(np.array([[1e-50]]), np.array([[np.inf]])))
    assert gate.admit(0) == Refusal.source
