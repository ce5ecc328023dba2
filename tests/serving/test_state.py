"""What a bidder finds again after a restart."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from bidpilot.bidding.day.slot_totals import SlotTotals
from bidpilot.bidding.errors import LedgerUnavailable
from bidpilot.serving.state import State


def totals(wins: int, segments: int = 2, sources: int = 3) -> SlotTotals:
    made = SlotTotals.zeros(1, segments, sources)
    made.wins[0] = wins
    made.spend[0] = 0.1 * wins
    made.segment_wins[0] = [wins, 0]
    made.source_spend[0, 2] = 1 / 3
    return made


def test_a_restart_finds_slots_as_they_were(tmp_path: Path) -> None:
    first = State(tmp_path / "new" / "state.sqlite")
    first.store_slot("c@2026-01-01", 4, totals(7))
    first.store_slot("c@2026-01-01", 5, totals(1))
    first.store_slot("c@2026-01-01", 5, totals(2))  # the later word holds
    first.store_slot("d@2026-01-01", 4, totals(9))
    first.close()
    again = State(tmp_path / "new" / "state.sqlite")
    slots = again.slots("c@2026-01-01", totals(0))
    assert {slot: int(kept.wins[0]) for slot, kept in slots.items()} == {4: 7, 5: 2}
    assert slots[4].spend[0] == 0.1 * 7  # to the last digit
    np.testing.assert_array_equal(slots[4].source_spend, [[0, 0, 1 / 3]])
    assert slots[4].segment_wins.dtype == np.int64
    assert again.slots("nobody@2026-01-01", totals(0)) == {}
    assert again.orders_before() == ({}, {})
    again.close()


def test_the_last_slot_of_a_campaign_is_that_of_its_latest_day(tmp_path: Path) -> None:
    state = State(tmp_path / "state.sqlite")
    assert state.last() == {}
    for account, slot in (("b@2026-01-02", 3), ("a@2026-01-02", 11), ("z@2025-12-31", 47), ("odd", 99)):
        state.store_slot(account, slot, totals(1))
    state.store_slot("a@2026-01-01", 40, totals(1))
    assert state.last() == {"a": ("2026-01-02", 11), "b": ("2026-01-02", 3), "z": ("2025-12-31", 47)}
    state.close()


def test_slots_of_other_shapes_are_left_out(tmp_path: Path) -> None:
    state = State(tmp_path / "state.sqlite")
    state.store_slot("c", 0, totals(7))
    assert state.slots("c", SlotTotals.zeros(1, 3, 3)) == {}
    assert state.slots("c", SlotTotals.zeros(1, 2, 4)) == {}
    assert list(state.slots("c", SlotTotals.zeros(1, 2, 3))) == [0]
    state.close()


def test_slots_kept_by_a_version_that_counted_less_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    state = State(path)
    for slot in (0, 1):
        state.store_slot("c", slot, totals(7))
    with sqlite3.connect(path) as database:
        (text,) = database.execute("SELECT totals FROM slots WHERE slot = 0").fetchone()
        older = json.dumps({name: value for name, value in json.loads(text).items() if name != "source_auctions"})
        database.execute("UPDATE slots SET totals = ? WHERE slot = 0", (older,))
    assert list(state.slots("c", totals(0))) == [1]
    state.close()


def test_a_state_that_cannot_be_opened_is_a_named_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerUnavailable, match="--state"):
        State(tmp_path / "file" / "state.sqlite")
