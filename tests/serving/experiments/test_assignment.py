"""Users are split by a keyed hash: in the shares that were meant, for ever the same, and told from no id."""

from __future__ import annotations

import json
import math
import sys
import time
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidpilot.serving.experiments.assignment import Assignment
from bidpilot.serving.experiments.experiment import assigned_by
from bidpilot.serving.messages import BidRequest
from bidpilot.serving.reading.request import read_request
from bidpilot.serving.restrictions.person import Person
from tests.serving.served import request

N = 20_000


def read(body: dict[str, Any]) -> BidRequest:
    return read_request(json.dumps(body).encode(), Counter())


def by(body: dict[str, Any]) -> tuple[str, str]:
    asked = read(body)
    return assigned_by(asked, Person(asked))


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.9, 0.1), (0.2, 0.3, 0.5)])
def test_arms_have_their_shares_of_users(shares: tuple[float, ...]) -> None:
    assignment = Assignment(b"secret", "a", shares)
    found = Counter(assignment.arm(f"user-{k}") for k in range(N))
    for arm, share in enumerate(shares):
        assert abs(found[arm] - share * N) < 4.5 * math.sqrt(N * share * (1 - share))


@given(id=st.text(max_size=300), key=st.binary(min_size=1, max_size=100))
def test_a_user_stays_in_one_arm(id: str, key: bytes) -> None:
    assert Assignment(key, "a", (0.4, 0.6)).arm(id) == Assignment(key, "a", (0.4, 0.6)).arm(id) in (0, 1)


@pytest.mark.parametrize(("key", "name"), [(b"another", "a"), (b"secret", "b")])
def test_another_key_or_experiment_shuffles_users_anew(key: bytes, name: str) -> None:
    first, second = Assignment(b"secret", "a", (0.5, 0.5)), Assignment(key, name, (0.5, 0.5))
    alike = sum(first.arm(f"{k}") == second.arm(f"{k}") for k in range(N))
    assert abs(alike - N / 2) < 4.5 * math.sqrt(N / 4)


def test_a_larger_share_takes_users_from_the_others_alone() -> None:
    small, large = Assignment(b"k", "a", (0.3, 0.7)), Assignment(b"k", "a", (0.5, 0.5))
    assert all(large.arm(f"{k}") == 0 for k in range(1000) if small.arm(f"{k}") == 0)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"user": {"id": "u", "buyeruid": "b"}, "device": {"ifa": "i"}}, ("b", "user")),
        ({"user": {"id": "u"}, "device": {"ifa": "i"}}, ("u", "user")),
        ({"user": {"id": ""}, "device": {"ifa": "i"}}, ("i", "device")),
        ({"user": {"id": 17}}, ("17", "user")),
        ({"device": {"ifa": "00000000-0000-0000-0000-000000000000"}}, ("r", "request")),
        ({"user": {"id": "0"}, "device": {"ifa": "i", "lmt": 1}}, ("r", "request")),
        ({"user": {}, "device": {"ifa": "i", "dnt": 1}}, ("r", "request")),
        ({"user": {"id": "u"}, "regs": {"coppa": 1}}, ("r", "request")),
        ({"user": {"id": "u"}, "regs": {"gdpr": 1}}, ("r", "request")),
        ({"user": {"id": "u"}, "regs": {"ext": {"gdpr": 1}}}, ("r", "request")),
        ({"user": {"id": "u"}, "regs": {"gdpr": 0}}, ("u", "user")),
        ({"user": {"id": "u", "consent": "C"}, "regs": {"gdpr": 1}}, ("u", "user")),
        ({"user": {"id": "u", "consent": "C"}, "regs": {"gdpr": 1, "coppa": 1}}, ("r", "request")),
        ({"user": ["nonsense"], "device": "nonsense"}, ("r", "request")),
        ({}, ("r", "request")),
        ({"user": {"id": "u" * 1000}}, ("u" * 256, "user")),
    ],
)
def test_the_id_is_the_users_then_the_devices_where_it_may_be_used(
    fields: dict[str, Any], expected: tuple[str, str]
) -> None:
    assert by(request(**fields)) == expected


def test_an_arm_is_found_in_microseconds() -> None:
    assignment, asked = Assignment(b"secret", "a", (0.5, 0.5)), read(request(user={"id": "0123456789abcdef" * 2}))
    best, traced = math.inf, sys.gettrace()
    sys.settrace(None)  # coverage takes longer than what it watches
    try:
        for _ in range(20):
            begin = time.thread_time()
            for _ in range(200):
                assignment.arm(assigned_by(asked, Person(asked))[0])
            best = min(best, (time.thread_time() - begin) / 200)
    finally:
        sys.settrace(traced)
    assert best < 10e-6  # a loose bound: docs say what is usual
