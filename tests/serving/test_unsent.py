"""A bid that is not sent holds no money: it came too late, did not fit, something failed, or nobody was there."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bidpilot.serving.arrival import ARRIVED, stamping_loop
from bidpilot.serving.auction import Bid, Opportunity
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import DAY, ManualClock
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.exchange_app import ExchangeApp
from bidpilot.serving.http import Application, Hangup
from bidpilot.serving.messages import BidObject, Imp
from bidpilot.serving.prediction.values import Predicted, Prediction
from bidpilot.serving.server import applications
from tests.serving.doors import Watch, ask, promised
from tests.serving.served import Served, imp, request

INSUFFICIENT_TIME, TECHNICAL_ERROR, TOO_MANY = 15, 1, 502


@contextmanager
def served(bundle: Path, state: Path, **config: Any) -> Iterator[tuple[ExchangeApp, Watch]]:
    """An application of a bidder whose stopwatch is moved by hand."""
    made = ServeConfig(bundle=bundle, state=state, **config)
    with open_bidder(made, ManualClock(20_000 * DAY)) as bidder:
        app, _ = applications(bidder, made, "http://x")
        app.watch = watch = Watch()
        yield app, watch


# --- time ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tmax", "waited", "bids"),
    [
        (50, 0.0, True),
        (50, 0.0399, True),
        (50, 0.0401, False),  # 10 of the 50 milliseconds are the network's
        (50, 10.0, False),
        (10, 0.0, False),
        (11, 0.0, True),
        (None, 10.0, True),  # whoever says nothing waits
        (10**30, 10.0, True),
    ],
)
def test_tmax_runs_from_arrival(
    bundle_folder: Path, tmp_path: Path, tmax: int | None, waited: float, bids: bool
) -> None:
    with served(bundle_folder, tmp_path) as (app, watch):
        auctions = app.bidder.auctions
        status, answer = ask(app, body=request(tmax=tmax), arrived=watch() - waited)
        assert status == 200
        assert ("seatbid" in answer) == bids
        assert (promised(app.bidder) > 0) == bids
        if not bids:
            assert answer == {"id": "r", "nbr": INSUFFICIENT_TIME}
            assert app.bidder.auctions == auctions  # nothing was priced for it
            assert app.metrics.refused == {"late": 1}


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(tmax=st.integers(3, 300), network=st.floats(0, 50), waited=st.floats(0, 0.4), each=st.floats(0, 0.05))
def test_an_answer_is_a_bid_only_if_it_leaves_in_time(
    late_app: tuple[ExchangeApp, Watch], tmax: int, network: float, waited: float, each: float
) -> None:
    """Also where the time runs out while impressions are predicted."""
    app, watch = late_app
    app.config = app.config.model_copy(update={"network_ms": network})
    begun = watch()

    def predict(imp: Imp, source: int, told: Predicted) -> Prediction:
        watch.now += each
        return Prediction((0.6, 0.2, 0.004), 0)

    app.reader.predictions.of = predict  # type: ignore[method-assign]
    before = promised(app.bidder)
    _, answer = ask(app, body=request({"id": "a"}, {"id": "b"}, tmax=tmax), arrived=begun - waited)
    left = tmax / 1000 - network / 1000 - (watch() - begun + waited)
    if answer is not None and "seatbid" in answer:
        assert left > -1e-9
    else:
        assert answer == {"id": "r", "nbr": INSUFFICIENT_TIME}
        assert left < 1e-9
        assert promised(app.bidder) == before


@pytest.fixture(scope="module")
def late_app(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ExchangeApp, Watch]]:
    with served(bundle_folder, tmp_path_factory.mktemp("state"), budget=1e6) as made:
        yield made


def test_a_loop_notes_when_something_is_handed_over_not_when_it_gets_to_it() -> None:
    waited: list[float] = []

    async def task() -> None:
        waited.append(time.perf_counter() - (ARRIVED.get() or 0.0))

    async def main() -> None:
        loop = asyncio.get_running_loop()

        def hand_over() -> None:
            loop.call_soon_threadsafe(lambda: tasks.append(loop.create_task(task())))

        tasks: list[asyncio.Task[None]] = []
        thread = threading.Thread(target=hand_over)
        thread.start()
        time.sleep(0.1)  # the loop is busy
        thread.join()
        await asyncio.sleep(0.01)
        await asyncio.gather(*tasks)

    with asyncio.Runner(loop_factory=stamping_loop) as runner:
        runner.run(main())
    assert waited[0] > 0.08


SLOW = """
import time

from bidpilot.serving import exchange_app

read = exchange_app.read_request

def slow(raw, forms):
    if b'"slow"' in raw:
        time.sleep(0.1)
    return read(raw, forms)

exchange_app.read_request = slow  # in the loop, where no predictor can block it

def predict(view):
    return [[0.6, 0.2, 0.004] for _ in view.impressions]
"""


def test_who_waits_while_the_server_is_busy_gets_no_bid_and_holds_nothing(
    bundle_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One request blocks the loop for 100 ms; those that came meanwhile and want an answer in 50 get none."""
    (tmp_path / "slow_predictor.py").write_text(SLOW)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    answers: dict[str, Any] = {}

    def send(server: Served, id: str, tmax: int | None) -> None:
        with server.client() as client:
            answers[id] = client.send("POST", "/openrtb2/bid", {"id": id, "imp": [{"id": "1"}], "tmax": tmax})[1]

    with Served(bundle_folder, tmp_path / "state", "--predictor", "slow_predictor:predict") as server:
        threads = [threading.Thread(target=send, args=(server, "slow", None))]
        threads += [threading.Thread(target=send, args=(server, f"w{k}", 50)) for k in range(4)]
        threads += [threading.Thread(target=send, args=(server, "patient", 500))]
        for thread in threads:
            thread.start()
            time.sleep(0.01)
        for thread in threads:
            thread.join()
        with server.administrator() as admin:
            money = admin.send("GET", "/admin/campaigns")[1]["default"]["money"]
    assert [answers[f"w{k}"].get("nbr") for k in range(4)] == [INSUFFICIENT_TIME] * 4
    sent = [answers[id]["seatbid"][0]["bid"][0]["price"] for id in ("slow", "patient")]
    assert money["promised"] == pytest.approx(sum(sent) / 1000, abs=1e-9)


# --- impressions and size ------------------------------------------------------------------------


def test_a_request_has_at_most_fifty_impressions(bundle_folder: Path, tmp_path: Path) -> None:
    with served(bundle_folder, tmp_path, budget=1e6) as (app, _):
        many = [imp(str(k)) for k in range(51)]
        assert ask(app, body=request(*many)).body == {"id": "r", "nbr": TOO_MANY}
        assert promised(app.bidder) == 0
        assert len(ask(app, body=request(*many[:50])).body["seatbid"][0]["bid"]) == 50
    with served(bundle_folder, tmp_path / "few", max_imp=1) as (app, _):
        assert ask(app, body=request(*many[:2])).body["nbr"] == TOO_MANY
        assert "seatbid" in ask(app, body=request(*many[:1])).body


@pytest.mark.parametrize("most", [1024, 2000, 5000, 20_000])
def test_bids_that_do_not_fit_into_a_response_hold_nothing(bundle_folder: Path, tmp_path: Path, most: int) -> None:
    with served(bundle_folder, tmp_path, budget=1e6, max_response=most) as (app, _):
        status, answer = ask(app, body=request(*(imp(f"{k}" * (k + 1)) for k in range(9))))
        bids = [] if answer is None else answer["seatbid"][0]["bid"]
        assert len(json.dumps(answer, separators=(",", ":"))) <= most + 4  # "null" where there is none
        assert [bid["impid"] for bid in bids] == [f"{k}" * (k + 1) for k in range(len(bids))]
        assert promised(app.bidder) == sum(round(1000 * bid["price"]) for bid in bids)
        assert app.metrics.refused.get("response_too_large", 0) == 9 - len(bids)
        assert (status == 204) == (not bids)
        assert len(bids) == 9 or len(bids) * 2000 + 2500 > most  # no more was left out than had to be


# --- failures ------------------------------------------------------------------------------------


@pytest.mark.parametrize("fails_at", [0, 1, 4])
@pytest.mark.parametrize("where", ["predictor", "writer", "encode"])
def test_bids_of_a_request_that_fails_hold_nothing(
    bundle_folder: Path, tmp_path: Path, where: str, fails_at: int
) -> None:
    with served(bundle_folder, tmp_path, explain=True) as (app, _):
        asked = 0
        real = app.writer.bid

        def predict(imp: Imp, source: int, told: Predicted) -> Prediction:
            nonlocal asked
            asked += 1
            if where == "predictor" and asked > fails_at:
                raise RuntimeError("no model")
            return Prediction((0.6, 0.2, 0.004), 0)

        def write(bid: Bid, imp: Imp, parts: object = None) -> BidObject:
            if where == "writer" and asked > fails_at:
                raise ValueError("cannot be packed")
            written = real(bid, imp, parts)
            if where == "encode" and asked > fails_at:
                written.adm = "\ud800"
            return written

        app.reader.predictions.of = predict  # type: ignore[method-assign]
        app.writer.bid = write  # type: ignore[method-assign]
        status, answer = ask(app, body=request(*({"id": str(k)} for k in range(5))))
        assert (status, answer) == (200, {"id": "r", "nbr": TECHNICAL_ERROR})
        assert promised(app.bidder) == 0
        assert app.bidder.days["default"].wallet.outstanding == 0
        made = fails_at if where == "predictor" else fails_at + 1 if where == "writer" else 5
        assert app.bidder.notices["unsent"] == made


# --- clients that go away ------------------------------------------------------------------------


class Line:
    """RSGI's protocol of a client that is there, or has gone."""

    def __init__(self, gone: bool) -> None:
        self.gone, self.watched, self.cancelled = gone, 0, 0

    def client_disconnect(self) -> Line:
        self.watched += 1
        return self

    def done(self) -> bool:
        return self.gone

    def cancel(self) -> None:
        self.cancelled += 1


@pytest.mark.parametrize("gone", [True, False])
@pytest.mark.parametrize("waited", [0.0, 0.05])
def test_a_client_that_went_away_while_it_waited_holds_nothing(
    bundle_folder: Path, tmp_path: Path, gone: bool, waited: float
) -> None:
    with served(bundle_folder, tmp_path) as (app, watch):
        line = Line(gone)
        status, _ = ask(app, arrived=watch() - waited, hangup=lambda: Hangup(line))
        known = gone and waited > 0.01
        assert status == (204 if known else 200)
        assert (promised(app.bidder) == 0) == known
        assert line.watched == line.cancelled == (waited > 0.01)  # what is watched is let go again


def test_a_body_that_is_cut_short_is_no_fault_of_ours(bundle_folder: Path, tmp_path: Path) -> None:
    """The line breaks while the body is read: no bid is made, and nothing is logged as a failure."""

    class Scope:
        proto, method, path, query_string, client = "http", "POST", "/openrtb2/bid", "", "127.0.0.1:1"
        headers: ClassVar[dict[str, str]] = {"content-length": "100"}

    class Protocol:
        answered: ClassVar[list[int]] = []

        async def __call__(self) -> bytes:
            raise RuntimeError("RSGI transport is closed")

        def response_bytes(self, status: int, headers: object, body: bytes) -> None:
            self.answered.append(status)

    with served(bundle_folder, tmp_path) as (app, _):
        asyncio.run(Application(app).__rsgi__(Scope(), Protocol()))
        assert Protocol.answered == [400]
        assert app.metrics.refused == {"body_cut_short": 1}
        assert promised(app.bidder) == 0


# --- the bidder's own ----------------------------------------------------------------------------


@pytest.fixture
def bidder(bundle_folder: Path, tmp_path: Path) -> Iterator[Bidder]:
    config = ServeConfig(bundle=bundle_folder, state=tmp_path / "s", decisions=tmp_path / "d")
    with open_bidder(config, ManualClock(20_000 * DAY)) as made:
        yield made


def test_a_bid_that_is_taken_back_leaves_all_money_as_it_was(bidder: Bidder, tmp_path: Path) -> None:
    wallet = bidder.days["default"].wallet
    free = wallet.free
    bids = [bidder.bid(Opportunity((0.6, 0.2, 0.004), 0)) for _ in range(3)]
    for bid in bids:
        assert isinstance(bid, Bid)
        bidder.take_back(bid)
        bidder.take_back(bid)  # a second time changes nothing
    assert (wallet.free, wallet.promised, wallet.outstanding) == (free, 0, 0)
    bidder.close()
    rows = pl.read_parquet(list((tmp_path / "d").glob("decisions-*.parquet")))
    assert rows["result"].to_list() == ["unsent"] * 3
    assert rows["cost"].to_list() == [0.0] * 3


def test_a_test_that_is_taken_back_changes_nothing(bidder: Bidder) -> None:
    bid = bidder.bid(Opportunity((0.6, 0.2, 0.004), 0, test=True))
    assert isinstance(bid, Bid)
    bidder.take_back(bid)
    assert promised(bidder) == 0
