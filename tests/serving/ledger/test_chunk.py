"""How much unused money a bidder holds: what it spends in two minutes, of what there is, and of idle ones little."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidpilot.serving.ledger.chunk import Chunk
from bidpilot.serving.ledger.store import AccountState

RICH = AccountState(budget=10**12, settled=0, held=0, debt=0)


def busy(rate: float, seconds: float = 1800.0, bid: int = 1000, most: int = 8000) -> tuple[Chunk, float]:
    """One that has bid and won `rate` times a second for a while, and when it has."""
    chunk, now = Chunk(most, shared=True), 0.0
    while now < seconds:
        now += 1.0 / rate
        chunk.reserved(bid, now)
        chunk.spent(bid, now)
    return chunk, now


@given(bids=st.lists(st.tuples(st.integers(1, 10**9), st.floats(0, 100)), max_size=20))
def test_where_nobody_else_bids_it_is_fixed(bids: list[tuple[int, float]]) -> None:
    chunk, now = Chunk(5000, shared=False), 0.0
    for amount, wait in bids:
        now += wait
        chunk.reserved(amount, now)
        chunk.spent(amount, now)
        assert chunk.size(now, AccountState(10, 0, 0, 0)) == 5000
        assert not chunk.short(2500, now, None)
        assert chunk.short(2499, now, None)
        assert chunk.keep(99_999, now, None) == 99_999


@pytest.mark.parametrize("rate", [0.5, 2.0, 20.0])
def test_a_busy_bidder_holds_what_it_spends_in_two_minutes(rate: float) -> None:
    chunk, now = busy(rate)
    assert chunk.size(now, RICH) == pytest.approx(120 * rate * 1000, rel=0.05)


def test_bids_that_win_nothing_still_need_money_while_the_store_answers() -> None:
    chunk, now = Chunk(8, shared=True), 0.0
    for _ in range(100_000):
        now += 0.01
        chunk.reserved(1000, now)
    assert chunk.size(now, RICH) == pytest.approx(2 * 100 * 1000, rel=0.1)


def test_one_that_has_gone_idle_holds_little_and_gives_the_rest_back() -> None:
    chunk, now = busy(20.0)
    later = now + 3600.0
    assert chunk.size(later, RICH) < 3000
    assert chunk.keep(2_400_000, later, RICH) == chunk.size(later, RICH)


def test_a_new_one_holds_enough_for_the_largest_bid() -> None:
    assert Chunk(8000, shared=True).size(0.0, RICH) == 2000


@given(left=st.integers(0, 10**9), bid=st.integers(1, 10**6))
def test_it_is_a_twentieth_of_what_is_left_or_one_bid(left: int, bid: int) -> None:
    chunk, now = busy(20.0, 60.0, bid)
    account = AccountState(budget=10**9, settled=10**9 - left, held=0, debt=0)
    assert chunk.size(now, account) <= max(left * 0.05, bid)


@given(free=st.integers(0, 5000), bid=st.integers(1, 5000))
def test_a_bid_that_finds_too_little_free_makes_it_short(free: int, bid: int) -> None:
    """Else a campaign near its end would hold half of what its bids need, and never ask."""
    chunk = Chunk(8, shared=True)
    chunk.reserved(bid, 0.0)
    for left in (10**9, 0):
        account = AccountState(budget=left, settled=0, held=0, debt=0)
        assert chunk.short(free, 0.0, account) or free >= bid


@given(free=st.integers(0, 10**7))
def test_what_is_kept_is_not_short_of(free: int) -> None:
    chunk, now = busy(2.0)
    assert not chunk.short(chunk.keep(free, now, RICH), now, RICH) or chunk.short(free, now, RICH)
