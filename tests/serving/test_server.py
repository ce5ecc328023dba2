"""The server over HTTP: OpenRTB's fields, notices, administration, and a day that ends as in the environment."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bidpilot.agents.acting.agent import AgentDay, controller_agent
from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.markets.defaults import preset_campaign, preset_forecast
from bidpilot.envs.markets.recorded.replay import RecordedMarket
from bidpilot.serving.calendar import DAY
from tests.serving.conftest import recorded_day
from tests.serving.served import Client, Served, imp, only_bid, request


@pytest.fixture(scope="module")
def server(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(bundle_folder, tmp_path_factory.mktemp("state"), "--explain", "--body-timeout", "0.3") as made:
        yield made


@pytest.fixture
def client(server: Served) -> Iterator[Client]:
    with server.client() as made:
        yield made


@pytest.fixture
def admin(server: Served) -> Iterator[Client]:
    with server.administrator() as made:
        yield made


def test_a_bid_answers_its_request_in_currency_per_mille(client: Client, admin: Client) -> None:
    status, response = client.bid(cur=["EUR", "USD"], tmax=200, at=2)
    bid = only_bid(response)
    assert (status, response["id"], response["cur"], bid["impid"], bid["exp"]) == (200, "r", "USD", "1", 30)
    _, parts = admin.send("POST", "/admin/explain", request())
    assert bid["price"] == pytest.approx(1000 * parts["1"]["default"]["bid"], abs=1e-3)


def test_each_impression_is_an_auction_of_its_own(client: Client) -> None:
    _, response = client.bid(imp("a"), imp("b", floor=1e6), imp("c", segment="search/tail"), imp("d", segment="moon"))
    assert [bid["impid"] for bid in response["seatbid"][0]["bid"]] == ["a", "c"]


def test_first_price_is_shaded(client: Client) -> None:
    first, second = (only_bid(client.bid(at=at)[1])["price"] for at in (1, 2))
    assert first < second
    assert only_bid(client.bid(imp(floor=0.5 * second), at=3)[1])["price"] == pytest.approx(0.5 * second, abs=0.002)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"cur": ["EUR"]}, 500),
        ({"tmax": 1}, 15),
        ({"wseat": ["somebody"]}, 501),
        ({"bseat": ["bidpilot"]}, 501),
        ({"id": ""}, 2),
        ({"imp": []}, 2),
        ({"imp": [imp("x"), imp("x")]}, 2),
    ],
)
def test_what_cannot_be_answered_says_why(client: Client, fields: dict[str, object], reason: int) -> None:
    status, response = client.send("POST", "/openrtb2/bid", request() | fields)
    assert (status, response["nbr"]) == (200, reason)
    assert "seatbid" not in response


@pytest.mark.parametrize(
    "hints", [{"conversion": 1.5}, {"exposure": -0.1}, {"interaction": 1e9}, {"segment": 99}, {"segment": -1}]
)
def test_values_out_of_range_get_no_bid(client: Client, hints: dict[str, Any]) -> None:
    assert client.bid(imp(**hints)) == (204, None)


def test_an_impression_without_values_is_bid_on_at_what_the_forecast_expects(client: Client) -> None:
    assert only_bid(client.bid({"id": "1"})[1])["price"] > 0


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"id":{},"imp":[]}', b"\xff\xfe", b'{"id":"x","imp":[{"id":"1","bidfloor":1e999}]}']
)
def test_what_is_no_bid_request_is_refused(client: Client, body: bytes) -> None:
    status, answer = client.send("POST", "/openrtb2/bid", body)
    assert status == 400
    assert answer["error"]


def test_floors_are_per_mille_and_in_the_servers_currency(client: Client) -> None:
    price = only_bid(client.bid()[1])["price"]
    assert client.bid(imp(floor=price * 1.01)) == (204, None)
    assert client.bid(imp() | {"bidfloor": 0.01, "bidfloorcur": "JPY"}) == (204, None)
    assert client.bid(imp(floor=price * 0.99))[0] == 200


def test_a_bid_is_explained_where_it_is_asked_for(client: Client) -> None:
    bid = only_bid(client.bid(imp(explain=True))[1])
    parts = bid["ext"]["bidpilot"]["explain"]["default"]
    worth = sum(parts["terms"].values()) * parts["multiplier"] + parts["beta"]
    assert bid["price"] == pytest.approx(1000 * worth, abs=1e-3)
    assert "explain" not in only_bid(client.bid()[1])["ext"]["bidpilot"]


def money(admin: Client) -> dict[str, float]:
    found: dict[str, float] = admin.send("GET", "/admin/campaigns")[1]["default"]["money"]
    return found


def test_notices_move_the_money(client: Client, admin: Client) -> None:
    before = money(admin)
    bid = only_bid(client.bid()[1])
    assert money(admin)["promised"] == pytest.approx(before["promised"] + bid["price"] / 1000, abs=1e-9)
    assert client.notice(bid["nurl"], bid["price"] / 2, bid["price"] / 2) == 204
    assert client.notice(bid["burl"], bid["price"] / 2, bid["price"] / 2) == 204
    after = money(admin)
    assert after["settled"] == pytest.approx(before["settled"] + bid["price"] / 2000, abs=1e-6)
    assert after["promised"] == pytest.approx(before["promised"], abs=1e-9)
    assert client.notice(bid["burl"], bid["price"] / 2) == 204  # acknowledged again, booked once
    assert client.notice(bid["lurl"], None) == 204
    assert money(admin) == after
    lost = only_bid(client.bid()[1])
    assert client.notice(lost["lurl"], None, lost["price"] * 2) == 204
    assert money(admin)["promised"] == pytest.approx(after["promised"], abs=1e-9)


@pytest.mark.parametrize(
    "price", ["", "${AUCTION_PRICE}", "AUDIT", "12,5", "nan", "inf", "-1", "abc", "1e300", "1e308"]
)
def test_a_bill_whose_price_cannot_be_is_booked_at_the_bid(client: Client, admin: Client, price: str) -> None:
    before = money(admin)["settled"]
    bid = only_bid(client.bid()[1])
    assert client.notice(bid["burl"].replace("${AUCTION_PRICE}", price)) == 204
    assert money(admin)["settled"] == pytest.approx(before + bid["price"] / 1000, abs=2e-6)
    assert 'result="price_' in admin.send("GET", "/metrics")[1]


def test_a_win_is_told_to_the_ledger_and_a_long_exposure_is_waited_for(client: Client, admin: Client) -> None:
    before = money(admin)
    for _ in range(100):  # the first one makes the lease last as long
        if (response := client.bid(imp() | {"exp": 1800})[1]) is not None:
            break
        time.sleep(0.01)
    bid = only_bid(response)
    assert bid["exp"] == 1800
    assert client.bid(imp() | {"exp": 7200})[0] == 204  # longer than the server waits
    assert 'bidpilot_refused_total{reason="hold_too_long"} 1' in admin.send("GET", "/metrics")[1]
    assert client.notice(bid["nurl"], bid["price"]) == 204
    assert money(admin)["won"] == pytest.approx(before["won"] + bid["price"] / 1000, abs=1e-9)
    assert client.notice(bid["burl"], bid["price"]) == 204
    assert money(admin)["won"] == pytest.approx(before["won"], abs=1e-9)


def test_a_large_body_is_refused_whether_it_says_so_or_not(server: Served, client: Client) -> None:
    assert client.send("POST", "/openrtb2/bid", b" " * 300_000)[0] == 413
    with socket.create_connection((str(server.bids.hostname), int(server.bids.port or 0)), timeout=5) as raw:
        raw.sendall(b"POST /openrtb2/bid HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            for _ in range(8):
                raw.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")
        except OSError:
            pass  # it hung up, as it should
        assert b" 413 " in raw.recv(4096).split(b"\r\n")[0]


def test_a_slow_body_is_refused(server: Served) -> None:
    with socket.create_connection((str(server.bids.hostname), int(server.bids.port or 0)), timeout=5) as raw:
        raw.sendall(b"POST /openrtb2/bid HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        begin = time.monotonic()
        assert b" 408 " in raw.recv(4096).split(b"\r\n")[0]
        assert 0.2 < time.monotonic() - begin < 3


def test_other_paths_and_methods(client: Client) -> None:
    assert client.send("GET", "/openrtb2/bid")[0] == 405
    assert client.send("GET", "/nothing")[0] == 404
    assert client.send("GET", "/notice/nothing?t=x")[0] == 404
    assert client.send("GET", "/notice/win")[0] == 400
    assert client.send("GET", "/admin/campaigns")[0] == 404  # administration is not on this address
    assert client.send("GET", "/health") == (200, {"status": "ok"})
    assert client.send("GET", "/ready")[0] == 200


def test_campaigns_are_paused_resumed_and_changed(client: Client, admin: Client) -> None:
    path = "/admin/campaigns/default"
    assert admin.send("POST", f"{path}/pause")[1]["paused"] is True
    assert client.bid() == (204, None)
    assert admin.send("POST", f"{path}/resume")[1]["paused"] is False
    assert client.bid()[0] == 200
    assert admin.send("POST", f"{path}/budget", {"budget": 50})[1]["campaign"]["budget"] == 50
    time.sleep(0.3)
    assert money(admin)["budget"] == 50
    for bad in ({"budget": -1}, {"budget": "many"}, {}, [1]):
        assert admin.send("POST", f"{path}/budget", bad)[0] == 400
    assert admin.send("POST", f"{path}/explode")[0] == 400
    assert admin.send("POST", "/admin/campaigns/nobody/pause")[0] == 404
    creative = {"crid": "v2", "adomain": ["example.com"], "adm": "<video/>"}
    status, put = admin.send("PUT", "/admin/campaigns/second", {"campaign": {"budget": 4000}, "creative": creative})
    assert (status, put["campaign"]["conversion_value"]) == (200, 12.0)
    time.sleep(0.2)
    bid = only_bid(client.bid()[1])
    assert (bid["crid"], bid["adm"], bid["adomain"]) == ("v2", "<video/>", ["example.com"])
    assert admin.send("POST", "/admin/campaigns/second/pause")[0] == 200
    assert admin.send("PUT", "/admin/campaigns/bad%20name", {})[0] == 400
    assert admin.send("PUT", "/admin/campaigns/third", {"campaign": {"preference": [1, 1, 1]}})[0] == 400


def test_the_kill_switch_stops_everything_at_once(client: Client, admin: Client) -> None:
    assert admin.send("POST", "/admin/kill") == (200, {"killed": True, "durable": True})
    assert client.bid() == (204, None)
    assert client.send("GET", "/ready")[0] == 503
    assert admin.send("POST", "/admin/revive") == (200, {"killed": False, "durable": True})
    assert client.bid()[0] == 200


def test_metrics_count_what_happened(client: Client, admin: Client) -> None:
    def value(name: str) -> float:
        lines = admin.send("GET", "/metrics")[1].splitlines()
        return float(next((line.split()[-1] for line in lines if line.startswith(name)), 0))

    names = ("bidpilot_auctions_total", "bidpilot_bids_total", "bidpilot_bid_seconds_count")
    before = [value(name) for name in names]
    client.bid(imp("a"), imp("b"))
    assert [value(name) - b for name, b in zip(names, before, strict=True)] == [2, 2, 1]
    forged = value('bidpilot_notices_total{result="forged"}')
    client.send("GET", "/notice/bill?t=x.y&p=1")
    assert value('bidpilot_notices_total{result="forged"}') == forged + 1


def test_a_wall_clock_cannot_be_moved(admin: Client) -> None:
    status, answer = admin.send("POST", "/admin/clock", {"now": 5.0})
    assert status == 400
    assert "wall" in answer["error"]


def test_no_bid_is_lost_to_a_move_of_the_clock(bundle_folder: Path, tmp_path: Path) -> None:
    """Who moves it is answered when the slot or the day has begun for all campaigns."""
    with (
        Served(bundle_folder, tmp_path, "--clock", "manual") as server,
        server.client() as client,
        server.administrator() as admin,
    ):
        for now in (0.5 * DAY, 0.6 * DAY, 1.0 * DAY, 7.3 * DAY, 8.0 * DAY):
            assert admin.send("POST", "/admin/clock", {"now": now})[0] == 200
            assert client.bid()[0] == 200, admin.send("GET", "/metrics")[1]


def test_a_replayed_day_through_the_server_ends_as_in_the_environment(bundle_folder: Path, memory: Path) -> None:
    log, forecast, campaign = recorded_day(2), preset_forecast(), preset_campaign()
    days = RecordedMarket(log, forecast.level_slots).recorded([0])
    episode = Episode(RecordedMarket(log, forecast.level_slots), forecast, 1)
    seen = episode.begin(days, CampaignBatch.repeat(campaign, 1, days.budget))
    agent = controller_agent("mpc")
    day = AgentDay(agent, 1, episode.segments)
    for _ in range(episode.slots):
        seen = episode.play(day.act(seen))
    kpi = np.zeros(3)
    with (
        Served(bundle_folder, memory, "--clock", "manual", "--guardrails.patience", "60") as server,
        server.client() as client,
        server.administrator() as admin,
    ):
        for slot in range(log.slots):
            admin.send("POST", "/admin/clock", {"now": slot * DAY / log.slots})
            for i in range(log.offsets[0, slot], log.offsets[0, slot + 1]):
                kpi += auction(client, log, i)
        found = admin.send("GET", "/admin/campaigns")[1]["default"]["money"]
        assert server.stop() == 0
    expected = campaign.budget - float(episode.left[0])
    assert found["settled"] == pytest.approx(expected, rel=1e-3)
    np.testing.assert_allclose(kpi, episode.statistics.predicted[-1, 0], rtol=1e-3)
    assert found["debt"] == 0


def auction(client: Client, log: object, i: int) -> np.ndarray:
    """One auction by a sequential exchange: request, then loss, or win, bill and event."""
    e, n, c, market, got_n, got_c = (
        float(getattr(log, k)[i])
        for k in ("exposure", "interaction", "conversion", "market_price", "interacted", "converted")
    )
    hints: dict[str, Any] = {"segment": int(log.segment[i]), "source": int(log.source[i])}  # type: ignore[attr-defined]
    status, response = client.bid(imp(exposure=e, interaction=n, conversion=c, **hints))
    if status == 204:
        return np.zeros(3)
    bid, price = only_bid(response), 1000 * market
    if bid["price"] < price:
        assert client.notice(bid["lurl"], None, price) == 204
        return np.zeros(3)
    assert client.notice(bid["burl"], price, price) == 204
    if got_n or got_c:
        assert client.notice(bid["ext"]["bidpilot"]["event_url"], extra=f"&i={got_n!r}&c={got_c!r}") == 204
    return np.array([e, n, c])
