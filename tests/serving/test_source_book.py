"""What a bidder knows of sources from day to day: a first day's volumes and outcomes are a second day's."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from bidpilot.bidding.bundle import load_bundle
from bidpilot.bidding.day.slot_totals import SlotTotals
from bidpilot.bidding.errors import InvalidMemory
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.traffic.detector import Detector
from bidpilot.bidding.traffic.memory import SourceMemory
from bidpilot.envs.logs.decisions import import_decisions
from bidpilot.envs.markets.defaults import preset_campaign, preset_forecast
from bidpilot.serving.auction import Opportunity
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.build import clusters, open_bidder
from bidpilot.serving.calendar import DAY, ManualClock
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.served import ServedCampaign
from bidpilot.serving.source_book import FILE, SourceBook
from tests.serving.conftest import write_controller_bundle

CLUSTERS, POOL, START = 64, 64, 20_000 * DAY
SOURCES, SLOTS, SEGMENTS = CLUSTERS + 1, 48, 8
VALUE = (0.6, 0.2, 0.004)
PER_SLOT = 10  # requests of a source


@pytest.fixture
def bundle(bundle_folder: Path) -> Path:
    """A preset's: nothing is known of publishers."""
    return bundle_folder


def book_of(folder: Path, state: Path, sources: int = SOURCES) -> SourceBook:
    return SourceBook(load_bundle(folder), sources, state)


def slot_of(**columns: dict[int, float]) -> SlotTotals:
    """The totals of a slot, from what is told by source."""
    totals = SlotTotals.zeros(1, SEGMENTS, SOURCES)
    for name, told in columns.items():
        for source, number in told.items():
            getattr(totals, name)[0, source] = number
    return totals


def lived(book: SourceBook, slots: int = SLOTS, **columns: dict[int, float]) -> Detector:
    """A filter of the book after slots alike."""
    detector = book.filter()
    detector.begin(np.zeros(1, np.int64))
    for t in range(slots):
        detector.update(t, slot_of(**columns))
    return detector


def quotas(book: SourceBook) -> NDArray[np.float64]:
    """Of a first slot, by source."""
    detector = book.filter()
    detector.begin(np.zeros(1, np.int64))
    found: NDArray[np.float64] = detector.gate(0).quota[0]
    return found


def test_a_second_day_knows_the_volumes_of_the_first_that_of_the_pool_too(bundle: Path, tmp_path: Path) -> None:
    book = book_of(bundle, tmp_path)
    assert np.isinf(quotas(book)).all()
    book.learn([lived(book, source_auctions={0: PER_SLOT, 3: 3 * PER_SLOT, POOL: PER_SLOT})])
    usual = np.array([1.0, 3.0, 1.0]) / 5.0 * preset_forecast().auctions[0]
    found = quotas(book)
    assert found[[0, 3, POOL]].tolist() == np.floor(4.0 * (usual + 1.0)).tolist()
    assert np.isinf(np.delete(found, [0, 3, POOL])).all()  # nobody has met them yet


def test_the_evidence_of_two_campaigns_adds_and_their_requests_do_not(bundle: Path, tmp_path: Path) -> None:
    """Each was told of wins of its own; both were asked the same."""
    sent = dict.fromkeys(range(8), float(PER_SLOT))
    views = {source: 1.0 for source in range(8) if source != 2}
    told = {"source_wins": sent, "source_exposed": dict.fromkeys(range(8), 1.0), "source_views": views}
    book = book_of(bundle, tmp_path)
    day = [lived(book, 4, source_auctions=sent, **told) for _ in range(2)]
    alone = day[0].found()[0][0]
    book.learn(day)
    assert 5.0 > alone[2] > 1.0 > 0.0 > alone[3]
    np.testing.assert_allclose(book.memory.evidence, np.maximum(2.0 * alone, -4.0))  # nobody is trusted for ever
    assert book.memory.requests[:9].tolist() == [4 * PER_SLOT] * 8 + [0.0]
    assert book.memory.days == 1


def test_a_day_of_which_no_view_was_told_refuses_nobody_on_the_next(bundle: Path, tmp_path: Path) -> None:
    """An exchange that tells no events looks like bots at every source alike."""
    sent = dict.fromkeys(range(8), float(PER_SLOT))
    book = book_of(bundle, tmp_path)
    for _ in range(5):
        book.learn([lived(book, source_auctions=sent, source_wins=sent, source_exposed=sent)])
    detector = book.filter()
    detector.begin(np.zeros(1, np.int64))
    assert (detector.gate(0).multiplier == 1.0).all()
    assert (detector.gate(0).quota[0, :8] > PER_SLOT).all()


def test_what_a_day_told_is_written_when_the_date_changes_and_read_after_a_restart(
    bundle: Path, tmp_path: Path
) -> None:
    clock = ManualClock(START)
    config = ServeConfig(bundle=bundle, state=tmp_path, sources=CLUSTERS)
    with open_bidder(config, clock) as bidder:
        bidder.put(ServedCampaign(name="other", campaign=preset_campaign()))
        for slot in range(SLOTS):
            clock.move(START + slot * DAY / SLOTS)
            for _ in range(3):
                bidder.bid(Opportunity(VALUE, 0, 5))
            bidder.bid(Opportunity(VALUE, 0, POOL))
        assert not (tmp_path / FILE).exists()
        clock.move(START + DAY)
        bidder.tick()
        first = SourceMemory.load(tmp_path / FILE)
        gate = gate_of(bidder)
    seen = first.requests[[5, POOL]]
    assert (first.days, int(first.requests.sum())) == (1, int(seen.sum()))
    assert seen.tolist() == [3.0 * SLOTS, 1.0 * SLOTS]
    assert np.isfinite(gate).nonzero()[0].tolist() == [5, POOL]
    with open_bidder(config, clock) as bidder:
        np.testing.assert_array_equal(gate_of(bidder), gate)


def gate_of(bidder: Bidder) -> NDArray[np.float64]:
    """Quotas by source of the slot under way."""
    gate = bidder.days["default"].decision.rule.gate
    assert gate is not None
    found: NDArray[np.float64] = gate.quota[0]
    return found


def test_a_memory_of_other_sources_is_a_named_error(bundle: Path, tmp_path: Path) -> None:
    book_of(bundle, tmp_path).learn([lived(book_of(bundle, tmp_path), source_auctions={0: 1.0})])
    with pytest.raises(InvalidMemory, match=r"remembers 65 sources, and 66 are told apart now.*--sources of before"):
        open_bidder(ServeConfig(bundle=bundle, state=tmp_path, sources=CLUSTERS + 1), ManualClock(START))


def test_a_logs_shares_are_known_on_the_first_day_and_a_presets_are_nobodys(bundle: Path, tmp_path: Path) -> None:
    """A log's clusters come first, then those that it has not met; its bundle says that they are publishers'."""
    share = np.array([0.0, 0.75, 0.25])
    forecast = replace(preset_forecast(), source_share=share)
    log = write_controller_bundle(tmp_path / "log", forecast=forecast, publishers=True)
    preset = write_controller_bundle(tmp_path / "preset", forecast=forecast)
    known = quotas(book_of(log, tmp_path))
    assert known[[1, 2]].tolist() == np.floor(4.0 * (share[1:] * forecast.auctions[0] + 1.0)).tolist()
    assert np.isinf(np.delete(known, [1, 2])).all()
    assert np.isinf(quotas(book_of(preset, tmp_path))).all()


def test_a_log_of_decisions_has_the_pool_last_and_its_bundle_the_clusters_of_before(tmp_path: Path) -> None:
    (tmp_path / "segments.json").write_text(json.dumps(["feed/head"]))
    row = {
        "key": "", "campaign": "c", "date": "2026-01-01", "slots": 2, "time": 0.0, "segment": "feed/head",
        "exposure": 0.5, "interaction": 0.25, "conversion": 0.125, "result": "won", "market_price": 0.25,
        "budget": 40.0, "conversion_value": 8.0,
    }  # fmt: skip
    rows = [{**row, "slot": slot, "source": source} for slot in (0, 1) for source in (3, POOL)]
    pl.DataFrame(rows).write_parquet(tmp_path / "decisions-1-1.parquet")
    log = import_decisions([tmp_path / "decisions-1-1.parquet"]).log
    assert (log.sources, log.source.tolist()) == (SOURCES, [3, POOL, 3, POOL])
    share = np.bincount(log.source, minlength=log.sources) / log.n
    config = ServeConfig(bundle=tmp_path, sources=CLUSTERS)
    forecast: Forecast = replace(preset_forecast(), source_share=share)
    assert clusters(config, forecast) == CLUSTERS
    served = write_controller_bundle(tmp_path / "next", forecast=forecast, publishers=True)
    assert np.isfinite(quotas(book_of(served, tmp_path))).nonzero()[0].tolist() == [3, POOL]
