"""The client: each way in which a server is not there, does not want to, or is another, has its own words."""

from __future__ import annotations

import socket
import time
from datetime import date
from pathlib import Path

import pytest

from bidpilot.bidding.errors import BidpilotError, InvalidConfig, ServerRefused, ServerUnavailable
from bidpilot.training.rebalance.server import Server, token_of
from tests.training.rebalance.admin import TOKEN, Answer, FakeAdmin, listening, spent_day

TODAY = date(2026, 12, 1)


def answers(status: int, body: bytes) -> Answer:
    return lambda *_: (status, body)


def test_it_reads_campaigns_with_their_plans_and_flights() -> None:
    flight = {"start": "2026-11-01", "end": "2026-12-02", "total": 9.0, "days_off": ["sunday"], "hours": []}
    admin = FakeAdmin({"a": 40.0}, TODAY, more={"a": {"flight": flight, "later": "than this version"}})
    admin.days["a"] = {"2026-12-01": spent_day(settled=3.0)}
    with listening(admin) as address:
        server = Server(address + "/", TOKEN, 5.0)
        assert server.plan_budget("a", 12.0, date(2026, 12, 2))
        served = server.campaigns()["a"]
        spend = server.spend("a")
    assert [served.budget_on(date(2026, 12, k)) for k in (1, 2, 3)] == [40.0, 12.0, 12.0]
    assert [served.bids_on(date(2026, 12, k)) for k in (1, 2, 3)] == [True, True, False]
    assert (spend.today, spend.days[TODAY].settled) == (TODAY, 3.0)
    assert admin.posted == [("a", 12.0, "2026-12-02")]


def test_an_order_that_is_not_durable_yet_is_told_from_one_that_is() -> None:
    with listening(FakeAdmin({"a": 40.0}, TODAY, durable=False)) as address:
        assert not Server(address, TOKEN, 5.0).plan_budget("a", 12.0, date(2026, 12, 2))


def test_a_wrong_token_says_which() -> None:
    words = r"401: give the token as .* Check BIDPILOT_ADMIN_TOKEN or --token-file\."
    with listening(FakeAdmin({"a": 40.0}, TODAY)) as address, pytest.raises(ServerRefused, match=words):
        Server(address, "another", 5.0).campaigns()


def test_a_reason_is_told_as_the_server_gives_it() -> None:
    admin = FakeAdmin({"a": 40.0}, TODAY, fails={"a": [400]})
    with (
        listening(admin) as address,
        pytest.raises(ServerRefused, match=r"budget is answered 400: it does not want to\.$"),
    ):
        Server(address, TOKEN, 5.0).plan_budget("a", 12.0, date(2026, 12, 2))
    with (
        listening(answers(502, b"<html>\n gateway")) as address,
        pytest.raises(ServerRefused, match="502: <html> gateway"),
    ):
        Server(address, TOKEN, 5.0).campaigns()
    with listening(answers(503, b"")) as address, pytest.raises(ServerRefused, match="503: no reason"):
        Server(address, TOKEN, 5.0).campaigns()


def test_nobody_there_is_unavailable() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ServerUnavailable, match=r"does not answer GET http://127.* Check --admin"):
        Server(f"http://127.0.0.1:{port}", TOKEN, 5.0).campaigns()


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{", b"nonsense\r\n\r\n"])
def test_an_answer_that_breaks_off_or_never_comes_is_unavailable(sent: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        import threading

        def accept() -> None:
            connection, _ = silent.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(sent)
                if not sent:
                    time.sleep(0.5)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        begin = time.monotonic()
        with pytest.raises(ServerUnavailable):
            Server(f"http://127.0.0.1:{silent.getsockname()[1]}", TOKEN, 0.2).campaigns()
        assert time.monotonic() - begin < 5.0
        thread.join()


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b'{"a": {}}', b'{"a": {"campaign": {"budget": "NaN"}}}', b"\xff", b'{"a": 1}']
)
def test_what_is_no_answer_of_this_version_is_said_to_be_none(body: bytes) -> None:
    with listening(answers(200, body)) as address, pytest.raises(ServerUnavailable, match="no answer of a bid server"):
        Server(address, TOKEN, 5.0).campaigns()


def test_a_token_is_not_sent_on_to_where_a_server_points() -> None:
    """A redirect is refused, as the other address would be given the token."""
    with listening(answers(302, b"")) as address, pytest.raises(ServerRefused, match="answered 302"):
        Server(address, TOKEN, 5.0).campaigns()


@pytest.mark.parametrize("address", ["127.0.0.1:8081", "file:///etc/passwd", "ftp://host/", "http://", ""])
def test_an_address_that_is_none_is_refused_before_anything_is_asked(address: str) -> None:
    with pytest.raises(InvalidConfig, match=r"is no address\. Give http://HOST:PORT"):
        Server(address, TOKEN, 5.0)


def test_a_token_comes_from_its_file_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIDPILOT_ADMIN_TOKEN", " of the environment\n")
    file = tmp_path / "admin.token"
    file.write_text("of the file\n")
    assert (token_of(file), token_of(None)) == ("of the file", "of the environment")
    file.write_text(" \n")
    monkeypatch.setenv("BIDPILOT_ADMIN_TOKEN", "")
    for given, words in ((file, "is empty"), (None, "Set BIDPILOT_ADMIN_TOKEN"), (tmp_path / "none", "cannot be read")):
        with pytest.raises(InvalidConfig, match=words):
            token_of(given)
    assert issubclass(InvalidConfig, BidpilotError)
