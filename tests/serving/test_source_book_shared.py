"""The book of sources: what several bidders have seen counts once, and a disk that is full ends no day."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from bidpilot.bidding.bundle import load_bundle
from bidpilot.bidding.day.slot_totals import SlotTotals
from bidpilot.bidding.traffic.memory import SourceMemory
from bidpilot.serving.auction import Opportunity
from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import DAY, ManualClock
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.source_book import FILE, SourceBook

C = 4


def told(times: int) -> SlotTotals:
    """A slot of which all is `times` what was seen: source 3 brings no views."""
    totals = SlotTotals.zeros(1, 1, C)
    for name, column in (("auctions", [40] * C), ("wins", [8] * C), ("exposed", [4.0] * C), ("views", [4, 4, 4, 0])):
        getattr(totals, f"source_{name}")[0] = times * np.array(column)
    return totals


def test_the_evidence_of_several_bidders_counts_once(bundle_folder: Path, tmp_path: Path) -> None:
    days = []
    for bidders in (1, 4):
        day = SourceBook(load_bundle(bundle_folder), C, tmp_path, bidders).filter()
        day.begin(np.zeros(1, np.int64))
        day.update(0, told(bidders))
        days.append(day.found())
    assert days[0][0][0, 3] > 1.0
    np.testing.assert_allclose(days[1], days[0])


def test_a_server_counts_evidence_by_its_bidders(bundle_folder: Path, tmp_path: Path) -> None:
    config = ServeConfig(bundle=bundle_folder, state=tmp_path, bidders=4)
    with open_bidder(config, ManualClock(20_000 * DAY)) as bidder:
        assert isinstance(bidder.desk.book, SourceBook)
        assert bidder.desk.book.bidders == 4


def test_a_memory_that_cannot_be_written_ends_no_day_and_is_learnt_once(
    bundle_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The bidder goes on to its next day; each request would otherwise fail, and learn the same day again."""

    def full(memory: SourceMemory, path: Path) -> None:
        raise OSError(28, "No space left on device")

    clock = ManualClock(20_000 * DAY)
    with open_bidder(ServeConfig(bundle=bundle_folder, state=tmp_path), clock) as bidder:
        monkeypatch.setattr(SourceMemory, "save", full)
        clock.move(clock() + DAY)
        with caplog.at_level(logging.WARNING):
            bidder.tick()
            bidder.tick()
        assert isinstance(bidder.desk.book, SourceBook)
        assert bidder.desk.book.memory.days == 1
        assert bidder.moment.slot == 0
    assert "No space left" in caplog.text
    assert not (tmp_path / FILE).exists()


def test_the_last_slot_of_a_day_is_remembered_too(bundle_folder: Path, tmp_path: Path) -> None:
    clock = ManualClock(20_000 * DAY)
    with open_bidder(ServeConfig(bundle=bundle_folder, state=tmp_path), clock) as bidder:
        for moment in (20_000 * DAY, 20_001 * DAY - 1):
            clock.move(moment)
            bidder.tick()
            for _ in range(5):
                bidder.bid(Opportunity((0.6, 0.2, 0.004), 0, 3))
        clock.move(20_001 * DAY)
        bidder.tick()
        assert isinstance(bidder.desk.book, SourceBook)
        assert bidder.desk.book.memory.requests[3] == 10
