"""Who may ask for bids, who may not, and how often somebody may guess."""

from __future__ import annotations

import json
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidpilot.bidding.errors import InvalidServing
from bidpilot.serving.access import ANYONE, Access, Attempts, Exchange, Refused, host_of, networks_of, read_exchanges
from bidpilot.serving.admin_app import AdminApp
from bidpilot.serving.auction import Bid, NoBid, Opportunity
from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import DAY, ManualClock
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.exchange_app import ExchangeApp
from bidpilot.serving.listeners import check_admin_host, notices_alone, without_notices
from bidpilot.serving.privacy.audit import AuditLog
from bidpilot.serving.restrictions.terms import Terms
from bidpilot.serving.server import applications
from bidpilot.serving.tokens import Tokens
from tests.serving.doors import Watch, ask, promised
from tests.serving.served import Client, Served, only_bid, request

RED, BLUE = "red-token-of-32-characters-xxxxxx", "blue-token-of-32-characters-xxxxx"
EXCHANGES = {
    "red": {"token": RED, "seat": "seat-7", "settle_on": "win"},
    "blue": {"token": BLUE, "networks": ["192.0.2.0/24", "2001:db8::/32"]},
    "grey": {"networks": ["198.51.100.0/24"]},
}
NEAR, FAR = "192.0.2.9:1000", "203.0.113.9:1000"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "exchanges.json"
    path.write_text(json.dumps(EXCHANGES))
    return path


@pytest.fixture
def app(bundle_folder: Path, tmp_path: Path, file: Path) -> Iterator[ExchangeApp]:
    config = ServeConfig(bundle=bundle_folder, state=tmp_path / "s", exchanges=file)
    with open_bidder(config, ManualClock(20_000 * DAY)) as bidder:
        app, _ = applications(bidder, config, "http://x")
        app.access.attempts = Attempts(watch=Watch())
        yield app


@pytest.mark.parametrize(
    ("token", "peer", "seat", "cause"),
    [
        (RED, FAR, "seat-7", None),
        (RED, "", "seat-7", None),  # whoever brings the token may come from anywhere
        (BLUE, NEAR, "bidpilot", None),
        (BLUE, "[2001:db8::1]:7", "bidpilot", None),
        (BLUE, "[::ffff:192.0.2.9]:7", "bidpilot", None),
        (BLUE, FAR, None, "token_from_elsewhere"),
        (BLUE, "", None, "token_from_elsewhere"),
        (None, "198.51.100.7:9", "bidpilot", None),
        (None, FAR, None, "no_token"),
        (None, NEAR, None, "no_token"),  # its network alone is not enough where an exchange has a token too
        ("wrong", FAR, None, "unknown_token"),
        ("", FAR, None, "unknown_token"),
        (RED[:-1], FAR, None, "unknown_token"),
        (RED + "x", FAR, None, "unknown_token"),
        ("ü", FAR, None, "unknown_token"),
    ],
)
def test_an_exchange_is_known_by_what_was_agreed_with_it(
    app: ExchangeApp, token: str | None, peer: str, seat: str | None, cause: str | None
) -> None:
    auctions = app.bidder.auctions
    status, answer = ask(app, token=token, peer=peer)
    if cause is None:
        assert (status, answer["seatbid"][0]["seat"]) == (200, seat)
        return
    assert (status, answer) == (403, {"error": "not an exchange that is served here"})
    assert app.metrics.refused == {cause: 1}
    assert (app.bidder.auctions, promised(app.bidder)) == (auctions, 0)


def test_a_token_may_stand_at_the_end_of_the_address(app: ExchangeApp) -> None:
    assert ask(app, f"/openrtb2/bid/{RED}", peer=FAR).status == 200
    assert ask(app, f"/openrtb2/bid/{RED[:-1]}", peer=FAR).status == 403
    assert ask(app, "/openrtb2/bid/", peer=FAR).status == 403
    assert ask(app, f"/openrtb2/bid/{RED}", peer=FAR, method="GET").status == 405


def test_the_bidder_is_told_which_exchange_asks(app: ExchangeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str | None] = []
    real = app.bidder.bid

    def note(opportunity: Opportunity, terms: Terms) -> Bid | NoBid:
        seen.append(opportunity.exchange)
        return real(opportunity, terms)

    monkeypatch.setattr(app.bidder, "bid", note)
    for token, peer in ((RED, FAR), (BLUE, NEAR), (None, "198.51.100.7:9")):
        ask(app, token=token, peer=peer)
    assert seen == ["red", "blue", "grey"]


def test_its_seat_is_what_a_request_may_want_or_block(app: ExchangeApp) -> None:
    assert ask(app, body=request(wseat=["seat-7"]), token=RED).status == 200
    assert ask(app, body=request(wseat=["bidpilot"]), token=RED).body["nbr"] == 501
    assert ask(app, body=request(bseat=["seat-7"]), token=RED).body["nbr"] == 501
    assert "seatbid" in ask(app, body=request(bseat=["bidpilot"]), token=RED).body


def test_notices_and_health_need_no_token_as_notices_are_signed(app: ExchangeApp) -> None:
    burl = only_bid(ask(app, token=RED).body)["burl"].replace("${AUCTION_PRICE}", "0.001")
    query = burl.partition("?")[2]
    assert ask(app, "/notice/bill", method="GET", query=query, peer=FAR).status == 204
    assert ask(app, "/health", method="GET", peer=FAR).status == 200
    assert ask(app, "/ready", method="GET", peer=FAR).status == 200


# --- guessing ------------------------------------------------------------------------------------


def test_after_ten_wrong_tokens_in_a_minute_nothing_is_compared(app: ExchangeApp) -> None:
    watch: Any = app.access.attempts._watch
    for k in range(10):
        assert ask(app, token=f"guess {k}", peer=FAR).status == 403
    assert ask(app, token=RED, peer=FAR).status == 429  # the right one would tell by its answer that it is right
    assert ask(app, token=RED, peer="203.0.113.9:2222").status == 429  # whatever the port
    assert ask(app, token=RED, peer="203.0.113.10:1000").status == 200  # others are served
    watch.now += 59.9
    assert ask(app, token=RED, peer=FAR).status == 429
    watch.now += 0.2
    assert ask(app, token=RED, peer=FAR).status == 200
    assert app.metrics.refused == {"unknown_token": 10, "too_many_tokens": 3}


def test_a_token_that_is_wrong_again_and_again_locks_out_nobody_else(app: ExchangeApp) -> None:
    for _ in range(10):
        assert ask(app, token="rotated long ago", peer=FAR).status == 403
    for _ in range(10):
        assert ask(app, token="rotated long ago", peer=FAR).status == 429
    assert ask(app, token=RED, peer=FAR).status == 200
    for k in range(9):  # with the old one ten
        assert ask(app, token=f"guess {k}", peer=FAR).status == 403
    assert ask(app, token=RED, peer=FAR).status == 429


def test_one_host_cannot_guess_from_all_addresses_of_its_ipv6_network() -> None:
    attempts = Attempts(watch=Watch())
    for k in range(10):
        attempts.failed(f"[2001:db8::{k:x}]:1", f"{k}")
    assert attempts.blocked("[2001:db8::ffff]:1", "x")
    assert not attempts.blocked("[2001:db8:0:1::1]:1", "x")


def test_who_guesses_from_many_addresses_takes_no_more_memory_than_a_bound() -> None:
    attempts, access = Attempts(watch=Watch()), Access(allow=networks_of(["192.0.2.0/24"]))
    for k in range(10_000):
        peer = f"10.{k >> 16}.{(k >> 8) & 255}.{k & 255}:1"
        attempts.failed(peer, "x")
        access.admit(peer)
    assert attempts.remembered == 4096
    assert len(access._verdicts) <= 4096


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 40), st.integers(0, 30)), max_size=120))
def test_of_no_address_more_than_ten_tokens_are_compared_in_a_minute(told: list[tuple[str, float, int]]) -> None:
    """Of whatever is tried: from the first failure on, for a minute."""
    watch = Watch()
    attempts = Attempts(watch=watch)
    compared: dict[str, list[tuple[float, int]]] = {"192.0.2.1:1": [], "192.0.2.2:1": []}
    for who, later, token in told:
        watch.now += later / 10
        peer = f"192.0.2.{1 if who == 'a' else 2}:1"
        if not attempts.blocked(peer, str(token)):
            attempts.failed(peer, str(token))
            compared[peer].append((watch.now, token))
    for tries in compared.values():
        begun = -60.0
        tokens: set[int] = set()
        for time, token in tries:
            if time >= begun + 60:
                begun, tokens = time, set()
            tokens.add(token)
            assert len(tokens) <= 10


@pytest.fixture
def admin(tmp_path: Path) -> AdminApp:
    bidder: Any = SimpleNamespace(control=SimpleNamespace(orders=None), killed=False)
    tokens, attempts, audit = Tokens("the-right-token"), Attempts(watch=Watch()), AuditLog(tmp_path / "audit.jsonl")
    made = AdminApp(bidder, None, None, tokens, attempts=attempts, audit=audit)  # type: ignore[arg-type]

    async def done(*_: Any) -> tuple[int, Any]:
        return 200, {}

    made._do = done  # type: ignore[method-assign, assignment]
    return made


def test_administration_is_guessed_at_no_faster(admin: AdminApp) -> None:
    for k in range(10):
        assert ask(admin, "/admin/kill", token=f"guess {k}").status == 401
    assert ask(admin, "/admin/kill", token="the-right-token").status == 429
    assert ask(admin, "/health", method="GET").status == 200
    assert ask(admin, "/admin/kill", token="the-right-token", peer=FAR).status == 200
    admin.attempts._watch.now += 60.0  # type: ignore[attr-defined]
    assert ask(admin, "/admin/kill", token="the-right-token").status == 200


def test_who_brings_no_token_or_the_same_wrong_one_has_not_guessed(admin: AdminApp) -> None:
    for _ in range(30):
        assert ask(admin, "/admin/kill").status == 401
    statuses = [ask(admin, "/admin/kill", token="old").status for _ in range(30)]
    assert statuses == [401] * 10 + [429] * 20
    assert ask(admin, "/admin/kill", token="the-right-token").status == 200


# --- networks ------------------------------------------------------------------------------------


@given(
    network=st.sampled_from(["192.0.2.0/24", "10.0.0.0/8", "2001:db8::/32", "203.0.113.7/32", "0.0.0.0/0"]),
    host=st.ip_addresses(),
    port=st.integers(0, 65535),
)
def test_a_list_of_networks_lets_in_what_lies_in_one_of_them(network: str, host: Any, port: int) -> None:
    access = Access(allow=networks_of([network]))
    peer = f"[{host}]:{port}" if host.version == 6 else f"{host}:{port}"
    inside = ip_network(network)
    real = getattr(host, "ipv4_mapped", None) or host
    expected = real.version == inside.version and real in inside
    for _ in range(2):  # also from memory
        assert (access.admit(peer) == ANYONE) == expected


@pytest.mark.parametrize("peer", ["", ":", "unix", "1.2.3:4", "[::1", "300.1.1.1:5", "ü:1", "[fe80::1%eth0]:7"])
def test_whoever_has_no_address_is_in_no_network(peer: str) -> None:
    assert Access(allow=networks_of(["0.0.0.0/0", "10.0.0.0/8"])).admit(peer) == Refused(403, "network_not_allowed")


@given(st.ip_addresses(v=4), st.integers(0, 65535))
def test_an_address_is_read_without_its_port(host: Any, port: int) -> None:
    assert host_of(f"{host}:{port}") == host_of(f"[::ffff:{host}]:{port}") == ip_address(host)


def test_a_token_does_not_help_who_is_outside_of_the_allowed_networks() -> None:
    access = Access({"red": Exchange(token=RED)}, networks_of(["192.0.2.0/24"]))
    assert access.admit(FAR, f"Bearer {RED}") == Refused(403, "network_not_allowed")
    assert access.admit(NEAR, f"Bearer {RED}").seat is None  # type: ignore[union-attr]


@pytest.mark.parametrize("text", ["10.0.0.1/8", "x", "", "10.0.0.0/33", "10.0.0.0-10.0.0.9"])
def test_what_is_no_network_is_refused_with_how_to_write_one(text: str) -> None:
    with pytest.raises(InvalidServing, match=r"203\.0\.113\.0/24"):
        ServeConfig(bundle=Path("b"), allow=(text,))


# --- the file ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", "null", '{"a": 1}', '{"a": {}}', '{"a b": {"token": "RED"}}', '{"": {"token": "RED"}}',
        '{"a": {"token": ""}}', '{"a": {"token": " "}}', '{"a": {"token": "short"}}', '{"a": {"token": "RED "}}',
        '{"a": {"token": null}}', '{"a": {"networks": []}}', '{"a": {"networks": ["10.0.0.1/8"]}}',
        '{"a": {"token": "RED", "moon": 1}}', '{"a": {"token": "RED", "settle_on": "never"}}',
        '{"a": {"token": "RED"}, "a": {"token": "BLUE"}}', '{"a": {"token": "RED"}, "b": {"token": "RED"}}',
        '{"a": {"token": "RED/x"}}', '{"a": {"token": "RED\\n"}}',
    ],
)  # fmt: skip
def test_a_file_of_exchanges_that_says_too_little_or_too_much_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "e.json"
    path.write_text(text.replace("RED", RED).replace("BLUE", BLUE))
    with pytest.raises(InvalidServing, match="exchanges") as refused:
        read_exchanges(path)
    assert RED not in str(refused.value)  # what is printed and logged holds no secret
    with pytest.raises(InvalidServing, match="no list of exchanges"):
        read_exchanges(tmp_path / "absent")


def test_a_file_of_exchanges_reads_as_it_was_written(file: Path) -> None:
    found = read_exchanges(file)
    assert (found["red"].settle_on, found["blue"].settle_on) == ("win", None)
    assert found["blue"].networks == ("192.0.2.0/24", "2001:db8::/32")


# --- listeners -----------------------------------------------------------------------------------


def test_notices_have_a_port_of_their_own_where_asked(app: ExchangeApp) -> None:
    bids, notices = without_notices(app), notices_alone(app)
    assert ask(bids, token=RED).status == 200
    assert ask(notices, token=RED).status == 404
    assert ask(bids, "/notice/win", query="t=x").status == 404
    assert ask(notices, "/notice/win", query="t=x").status == 403
    for here in (bids, notices):
        assert ask(here, "/health", method="GET").status == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.com", "203.0.113.7"])
def test_administration_opens_to_others_only_with_a_token_that_somebody_set(host: str) -> None:
    with pytest.raises(InvalidServing, match="Set BIDPILOT_ADMIN_TOKEN"):
        check_admin_host(host, explicit=False)
    check_admin_host(host, explicit=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.0.1"])
@pytest.mark.parametrize("explicit", [False, True])
def test_administration_on_this_machine_needs_no_token_set(host: str, explicit: bool) -> None:
    opened = ServeConfig(bundle=Path("b"), admin_host=host).admin_host
    check_admin_host(opened, explicit)
    with pytest.raises(InvalidServing):
        check_admin_host(f"{opened}.example.com", explicit=False)  # a name that begins alike is another machine's


def test_a_server_with_three_listeners(bundle_folder: Path, tmp_path: Path, file: Path) -> None:
    options = ("--notice-port", "0", "--exchanges", str(file), "--allow", "127.0.0.0/8")
    with Served(bundle_folder, tmp_path / "s", *options) as server:
        with server.client() as client:
            assert client.bid()[0] == 403
        with server.client() as client:  # what is refused unread costs its connection
            client.headers = {"Authorization": f"Bearer {RED}"}
            status, answer = client.bid()
            assert (status, answer["seatbid"][0]["seat"]) == (200, "seat-7")
            bid = only_bid(answer)
            path = bid["burl"].replace("${AUCTION_PRICE}", "0.5").partition("/notice")[2]
            assert client.send("GET", f"/notice{path}")[0] == 404
        line = next(entry for entry in server.text().splitlines() if entry.startswith("notices: "))
        assert bid["burl"].startswith(line.split()[1])
        at = urlsplit(bid["burl"])
        with Client(str(at.hostname), int(at.port or 0)) as notices:
            assert notices.notice(bid["burl"], bid["price"]) == 204
            assert notices.bid()[0] == 404
        with server.administrator() as admin:
            assert admin.send("GET", "/admin/campaigns")[1]["default"]["money"]["settled"] > 0
            assert 'bidpilot_refused_total{reason="no_token"} 1.0' in admin.send("GET", "/metrics")[1]
