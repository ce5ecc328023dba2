"""Served days become training days: what was logged is imported, and replays as it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from bidpilot.bidding.errors import EmptyLog, UnreadableFile
from bidpilot.envs.logs.decisions import REASON_PRICE, import_decisions
from bidpilot.envs.logs.importers import run_import
from bidpilot.envs.logs.storage import load_log
from bidpilot.serving.auction import Bid, Opportunity
from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import DAY, ManualClock
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.ledger.store import MICRO
from bidpilot.serving.told import Told
from tests.serving.conftest import recorded_day, write_controller_bundle
from tests.serving.test_bidder import replay


def test_a_served_day_is_imported_as_the_day_it_was(tmp_path: Path, memory: Path) -> None:
    log, clock = recorded_day(3), ManualClock(20_000 * DAY)
    bundle = write_controller_bundle(tmp_path / "b", "mpc")
    config = ServeConfig(bundle=bundle, state=memory, decisions=tmp_path / "d")
    with open_bidder(config, clock) as bidder:
        spend, _ = replay(bidder, log, clock)
        unpriced = sum(bidder.reasons.values())
    summary = run_import("decisions", [tmp_path / "d" / "decisions-*.parquet"], tmp_path / "log")
    again = load_log(tmp_path / "log")
    assert summary.rows_in == log.n
    assert summary.set_aside == ({REASON_PRICE: unpriced} if unpriced else {})
    assert again.segments == log.segments
    assert (again.days[0].label, again.days[0].budget) == ("default, 2024-10-04", 40.0)
    if not unpriced:
        for column in ("market_price", "exposure", "interaction", "conversion", "segment", "source"):
            np.testing.assert_array_equal(getattr(again, column), getattr(log, column), err_msg=column)
        np.testing.assert_array_equal(again.offsets, log.offsets)
    rows = pl.read_parquet(tmp_path / "d" / "decisions-*.parquet")
    assert rows["cost"].sum() == pytest.approx(spend, abs=1e-6)
    assert set(rows["result"].unique()) <= {"won", "lost", "no_money", "below_floor"}
    outcomes = pl.read_parquet(tmp_path / "d" / "outcomes-*.parquet")
    assert set(outcomes["key"]) <= set(rows.filter(pl.col("result") == "won")["key"])


def test_events_are_logged_by_type_and_imported_as_the_funnel_of_what_was_won(
    bundle_folder: Path, tmp_path: Path
) -> None:
    config = ServeConfig(bundle=bundle_folder, state=tmp_path / "s", decisions=tmp_path / "d")
    with open_bidder(config, ManualClock(20_000 * DAY)) as bidder:
        tickets = []
        for _ in range(3):
            answer = bidder.bid(Opportunity((0.6, 0.2, 0.004), 0))
            assert isinstance(answer, Bid)
            tickets.append(answer.ticket)
        bidder.outcome(tickets[0], Told("view"))  # before its bill
        for ticket in tickets[:2]:
            bidder.bill(ticket, 0.001, 0.001)
        bidder.loss(tickets[2], 1.0)
        for ticket, told in (
            (tickets[1], Told("share", 2)),
            (tickets[1], Told("convert", value=30.0)),
            (tickets[1], Told(interaction=0.5)),
            (tickets[2], Told("like")),
        ):
            bidder.outcome(ticket, told)
    first, second, lost = (ticket.key for ticket in tickets)
    assert pl.read_parquet(tmp_path / "d" / "outcomes-*.parquet").rows() == [
        (first, "view", 1, None, 0.0, 0.0),
        (second, "share", 2, None, 8.0, 0.0),
        (second, "convert", 1, 30.0, 0.0, 1.0),
        (second, None, 1, None, 0.5, 0.0),
        (lost, "like", 1, None, 1.0, 0.0),
    ]
    log = import_decisions([tmp_path / "d" / "decisions-*.parquet"]).log
    assert log.funnel is not None
    assert log.funnel.tolist() == [[1, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 2, 0, 1], [0] * 7]


def test_a_shadows_bids_are_logged_beside_the_real_ones(bundle_folder: Path, tmp_path: Path) -> None:
    clock = ManualClock(20_000 * DAY)
    shadow = write_controller_bundle(tmp_path / "shadow", "plan")
    config = ServeConfig(bundle=bundle_folder, shadow=shadow, state=tmp_path / "s", decisions=tmp_path / "d")
    with open_bidder(config, clock) as bidder:
        answer = bidder.bid(Opportunity((0.6, 0.2, 0.004), 0))
        assert isinstance(answer, Bid)
        clock.move(clock() + 100)
        bidder.tick()
        expected = bidder.days["default"].shadow_bid((0.6, 0.2, 0.004), 0, 0, False)
    (row,) = pl.read_parquet(tmp_path / "d" / "decisions-*.parquet").iter_rows(named=True)
    assert (row["result"], row["bid"], row["cost"]) == ("expired", answer.amount / MICRO, 0.0)
    assert row["shadow_bid"] == expected
    assert row["market_price"] is None
    with pytest.raises(EmptyLog, match="AUCTION_MIN_TO_WIN"):
        import_decisions([tmp_path / "d" / "decisions-*.parquet"])
    (tmp_path / "d" / "segments.json").unlink()
    with pytest.raises(UnreadableFile, match=r"segments\.json"):
        import_decisions([tmp_path / "d" / "decisions-*.parquet"])
