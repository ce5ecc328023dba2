"""Forged and repeated notices change nothing, administration needs its token, and logs hold no secret and no user."""

from __future__ import annotations

import re
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidpilot.bidding.errors import InvalidNotice
from bidpilot.bidding.event import EVENTS, MOST_EVENTS
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.notices import Kind, Signer, Ticket, Unread, read_notice
from bidpilot.serving.secret import secret
from bidpilot.serving.tokens import Tokens
from bidpilot.serving.told import read_told
from tests.serving.served import SECRET, TOKEN, Served, imp, only_bid

TICKET = Ticket(
    key="00" * 9, lease="01" * 6, account="c@2026-01-01", amount=5000, expires=1e9, slot=3, segment=2, source=9,
    value=(0.5, 0.25, 0.125),
)  # fmt: skip
SIGNER = Signer(SECRET.encode())


@given(
    key=st.binary(min_size=9, max_size=9),
    account=st.text(st.characters(codec="ascii", min_codepoint=33), max_size=80),
    amount=st.integers(0, 2**62),
    expires=st.floats(0, 1e12),
    small=st.integers(0, 65535),
    test=st.booleans(),
    kind=st.sampled_from(Kind),
)
def test_a_ticket_comes_back_as_it_was(
    key: bytes, account: str, amount: int, expires: float, small: int, test: bool, kind: Kind
) -> None:
    ticket = Ticket(key.hex(), "ab" * 6, account, amount, expires, small, small, small, (0.5, 0.25, 0.0), test)
    assert SIGNER.open(SIGNER.sign(SIGNER.pack(ticket), kind), kind) == ticket


def test_a_ticket_of_one_kind_is_none_of_another() -> None:
    for kind in Kind:
        token = SIGNER.sign(SIGNER.pack(TICKET), kind)
        for other in set(Kind) - {kind}:
            with pytest.raises(InvalidNotice, match="not signed"):
                SIGNER.open(token, other)


@given(data=st.data())
def test_a_ticket_with_any_character_changed_is_refused(data: st.DataObject) -> None:
    token = SIGNER.sign(SIGNER.pack(TICKET), Kind.bill)
    at = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters(exclude_characters=token[at]))
    with pytest.raises(InvalidNotice):
        SIGNER.open(token[:at] + other + token[at + 1 :], Kind.bill)


@given(st.text())
def test_whatever_is_sent_as_a_ticket_is_refused(text: str) -> None:
    with pytest.raises(InvalidNotice):
        SIGNER.open(text, Kind.bill)


@given(st.text(max_size=300))
def test_whatever_is_sent_as_a_query_is_read_or_refused(query: str) -> None:
    try:
        notice = read_notice(query)
    except InvalidNotice:
        return
    for number in (notice.price, notice.min_to_win):
        assert number is None or isinstance(number, Unread) or 0 <= number < float("inf")


@given(st.dictionaries(st.sampled_from("envic"), st.text(max_size=8) | st.sampled_from((*EVENTS, "1", "-1", "nan"))))
def test_whatever_is_told_of_an_exposure_is_read_or_refused(fields: dict[str, str]) -> None:
    try:
        told = read_told(urlencode({"t": "a.b", **fields}))
    except InvalidNotice:
        return
    assert told.event is None or told.event in EVENTS
    assert 1 <= told.count <= MOST_EVENTS
    assert all(
        number is None or 0 <= number < float("inf") for number in (told.value, told.interaction, told.conversion)
    )


def test_another_secret_signs_otherwise() -> None:
    token = Signer(b"x" * 32).sign(SIGNER.pack(TICKET), Kind.bill)
    with pytest.raises(InvalidNotice):
        SIGNER.open(token, Kind.bill)
    with pytest.raises(InvalidNotice, match="at least 32"):
        Signer(b"short")


@pytest.fixture(scope="module")
def server(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    state = tmp_path_factory.mktemp("state")
    with Served(bundle_folder, state, "--decisions", str(state / "decisions")) as made:
        yield made


def settled(server: Served) -> float:
    with server.administrator() as admin:
        return float(admin.send("GET", "/admin/campaigns")[1]["default"]["money"]["settled"])


def test_a_forged_bill_books_nothing(server: Served) -> None:
    before = settled(server)
    with server.client() as client:
        bid = only_bid(client.bid()[1])
        tokens = {k: parse_qs(urlsplit(bid[f"{k}url"]).query)["t"][0] for k in ("n", "b", "l")}
        last = "1" if tokens["b"][-1] == "0" else "0"
        for token in (tokens["n"], tokens["l"], tokens["b"][:-1] + last, tokens["b"][1:], "a.b", "%00", "x" * 5000):
            assert client.send("GET", f"/notice/bill?t={token}&p=0.001")[0] == 403
    assert settled(server) == before


def test_an_event_that_cannot_be_is_answered_with_what_to_tell(server: Served) -> None:
    with server.client() as client:
        url = urlsplit(only_bid(client.bid()[1])["ext"]["bidpilot"]["event_url"])
        status, answer = client.send("GET", f"{url.path}?{url.query}&e=click")
        assert (status, answer["error"][:52]) == (400, "the event's type e is 'click'. Tell one of: view, co")
        assert client.send("GET", f"{url.path}?{url.query}&e=view&n=0")[0] == 400
        assert client.send("GET", f"{url.path}?{url.query}&e=view")[0] == 204
        bill = only_bid(client.bid()[1])["burl"]
        token = parse_qs(urlsplit(bill).query)["t"][0]
        assert client.send("GET", f"{url.path}?t={token}&e=click")[0] == 403  # nothing is told to whom we do not know


def test_a_bill_sent_a_hundred_times_is_booked_once(server: Served) -> None:
    before = settled(server)
    with server.client() as client:
        bid = only_bid(client.bid()[1])
        for k in range(100):
            assert client.notice(bid["burl"], bid["price"] * (1 - k / 200)) == 204
        assert client.notice(bid["burl"], bid["price"] * 2) == 204
    assert settled(server) == pytest.approx(before + bid["price"] / 1000, abs=2e-6)


@pytest.mark.parametrize("token", [None, "", "wrong", TOKEN[:-1], TOKEN + "x", "ü"])
def test_administration_without_its_token_is_refused(server: Served, token: str | None) -> None:
    with server.administrator(None) as client:
        if token is not None:
            client.headers = {"Authorization": f"Bearer {token}"}
        for method, path in (("POST", "/admin/kill"), ("GET", "/admin/campaigns"), ("PUT", "/admin/campaigns/x")):
            assert client.send(method, path)[0] == 401
    with server.client() as client:
        assert client.send("POST", "/admin/kill")[0] == 404
        assert client.bid()[0] == 200


def test_the_token_is_compared_in_constant_time() -> None:
    """A guess that is right up to its last character takes as long as one that is wrong from the first."""
    tokens = Tokens("t" * 4096)

    def seconds(guess: str) -> float:
        begin = time.perf_counter()
        for _ in range(300):
            tokens.who(f"Bearer {guess}")
        return time.perf_counter() - begin

    near, far = "t" * 4095 + "x", "x" + "t" * 4095
    pairs = [(seconds(near), seconds(far)) for _ in range(15)]
    assert min(n for n, _ in pairs) == pytest.approx(min(f for _, f in pairs), rel=0.2)


def test_administration_listens_on_loopback_unless_told_otherwise() -> None:
    assert ServeConfig(bundle=Path("b")).admin_host == "127.0.0.1"


def test_secrets_made_here_are_long_kept_and_readable_by_their_owner_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SOME_SECRET", raising=False)
    config = ServeConfig(bundle=Path("b"), state=tmp_path)
    made = secret(config, "s", "SOME_SECRET")
    assert len(made) >= 32
    assert secret(config, "s", "SOME_SECRET") == made
    assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o600
    monkeypatch.setenv("SOME_SECRET", "given")
    assert secret(config, "s", "SOME_SECRET") == "given"


def test_no_secret_and_no_user_is_in_any_log(bundle_folder: Path, tmp_path: Path) -> None:
    person = {"user": {"id": "user-4711", "buyeruid": "b-4711"}, "device": {"ip": "203.0.113.7", "ifa": "ifa-4711"}}
    with Served(bundle_folder, tmp_path, "--decisions", str(tmp_path / "d")) as server:
        with server.client() as client, server.administrator() as admin:
            bid = only_bid(client.bid(**person)[1])
            client.notice(bid["burl"], bid["price"])
            client.bid(imp(conversion=7.0), **person)
            client.send("POST", "/openrtb2/bid", b'{"id": "user-4711", "imp": 4711}')
            client.send("GET", "/notice/bill?t=user-4711&p=1")
            admin.send("POST", "/admin/kill")
            admin.send("GET", "/metrics")
            with server.administrator("wrong-token") as stranger:
                assert stranger.send("POST", "/admin/kill")[0] == 401
        token = parse_qs(urlsplit(bid["burl"]).query)["t"][0]
        assert server.stop() == 0
    seen = 0
    for file in (f for f in tmp_path.rglob("*") if f.is_file()):
        text = file.read_bytes().decode("latin-1")
        seen += 1
        for word in ("4711", "203.0.113.7", TOKEN, SECRET, "wrong-token", token.partition(".")[2]):
            assert not re.search(re.escape(word), text), (file, word)
    assert seen > 4
