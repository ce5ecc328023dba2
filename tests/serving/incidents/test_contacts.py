"""Who is told of an incident, by what, and what becomes of it where nobody can be reached."""

from __future__ import annotations

import hashlib
import hmac
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from bidpilot.bidding.errors import InvalidContacts
from bidpilot.bidding.watch.alarm import Risk
from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import DAY, ManualClock
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.guardrails import Cause
from bidpilot.serving.incidents.contacts import Contact, by_apprise, read_contacts, whom
from bidpilot.serving.incidents.incident import Action, Incident, Role, Target
from bidpilot.serving.incidents.machine import Machine, Noticed
from bidpilot.serving.incidents.policy import ResponsePolicy
from bidpilot.serving.incidents.teller import Reached, Teller, send

HOOK = Contact(url="http://hook.example/abc")
MACHINE = Machine(ResponsePolicy(), 1800.0)
NOTICED = Noticed(Risk.tracking_outage, "a", Target(kind="campaign"), 3, "nothing is told", {"score": 9.0})


def incident() -> Incident:
    return MACHINE.open(NOTICED, 1_700_000_000.0, "i", date(2023, 11, 14))


def until(true: Callable[[], Any]) -> Any:
    for _ in range(1000):
        if found := true():
            return found
        time.sleep(0.005)
    raise AssertionError("it did not come")


def file(folder: Path, told: Any, name: str = "contacts.json") -> Path:
    path = folder / name
    path.write_text(told if isinstance(told, str) else json.dumps(told))
    path.chmod(0o600)
    return path


# --- the file --------------------------------------------------------------------------------------


def test_contacts_are_read_by_role_from_json_or_yaml(tmp_path: Path) -> None:
    text = "watcher: [https://a.example/x]\nlead:\n  - {url: 'https://b.example/y'}\n"
    for path in (
        file(tmp_path, {"watcher": ["https://a.example/x"], "lead": [{"url": "https://b.example/y"}]}),
        file(tmp_path, text, "contacts.yaml"),
    ):
        book = read_contacts(path)
        assert [c.url for c in book[Role.watcher]] == ["https://a.example/x"]
        assert [c.name for c in book[Role.lead]] == ["https://b.example"]  # the rest may be a secret
        assert book[Role.director] == ()


@pytest.mark.parametrize("told", ["{", [], {"boss": []}, {"watcher": [{"url": ""}]}, {"watcher": "x"}])
def test_what_is_no_file_of_contacts_says_so(tmp_path: Path, told: Any) -> None:
    with pytest.raises(InvalidContacts, match="holds no contacts"):
        read_contacts(file(tmp_path, told))


def test_addresses_that_anybody_may_read_are_refused(tmp_path: Path) -> None:
    path = file(tmp_path, {})
    path.chmod(0o604)
    with pytest.raises(InvalidContacts, match="chmod o-r"):
        read_contacts(path)


def test_a_key_that_is_not_set_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOOK_KEY", raising=False)
    with pytest.raises(InvalidContacts, match="HOOK_KEY is not set"):
        read_contacts(file(tmp_path, {"watcher": [{"url": "https://a.example", "secret_env": "HOOK_KEY"}]}))


def test_without_apprise_its_addresses_name_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    path = file(tmp_path, {"watcher": ["mailto://user:word@example.com"]})
    with pytest.raises(InvalidContacts, match=r"pip install 'bidpilot\[apprise\]'") as refused:
        read_contacts(path)
    assert "word" not in str(refused.value)


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")  # Apprise's
def test_apprise_reaches_what_it_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    apprise = pytest.importorskip("apprise")
    told: list[tuple[str, str]] = []

    def notify(self: Any, body: str, title: str) -> bool:
        told.append((title, body))
        return True

    monkeypatch.setattr(apprise.Apprise, "notify", notify)
    contact = Contact(url="json://localhost/x")
    by_apprise(contact)  # loads what it reaches
    teller = Teller({Role.watcher: (contact,)})
    teller.tell(incident())
    assert until(teller.reached) == [Reached("i", "json")]
    ((title, body),) = told
    assert title == "bidpilot: tracking_outage of a: throttled, level 1"
    assert body.startswith("nothing is told\nthrottled by server: nothing is told\nincident i\nescalates at 2023-11-15")


# --- who is told -----------------------------------------------------------------------------------


def test_the_role_is_told_or_the_nearest_before_it_and_in_the_end_all() -> None:
    a, b = Contact(url="https://a.example"), Contact(url="https://b.example")
    book = {Role.watcher: (a,), Role.lead: (b,)}
    assert whom(book, Role.watcher, over=False) == (a,)
    assert whom(book, Role.lead, over=False) == (b,)
    assert whom(book, Role.director, over=False) == (b,)
    assert whom(book, Role.director, over=True) == (a, b)
    assert whom({Role.lead: (b,)}, Role.watcher, over=False) == ()


# --- webhooks --------------------------------------------------------------------------------------


class Hook(HTTPServer):
    """Takes what it is told, and answers with the next of `answers`."""

    def __init__(self) -> None:
        self.told: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.told.append(({k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(hook.answers.pop(0) if hook.answers else 204)
                self.send_header("Location", "http://127.0.0.1:9/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Be quiet."""

        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/hook"


@pytest.fixture
def hook() -> Iterator[Hook]:
    server = Hook()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_webhook_gets_the_incident_signed(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_KEY", "the key")
    teller = Teller({Role.watcher: (Contact(url=hook.url, secret_env="HOOK_KEY"),)})
    teller.tell(incident())
    assert until(teller.reached) == [Reached("i", "http://127.0.0.1")]
    ((headers, body),) = hook.told
    signed = headers["x-bidpilot-timestamp"].encode() + b"." + body
    expected = "sha256=" + hmac.new(b"the key", signed, hashlib.sha256).hexdigest()
    assert headers["x-bidpilot-signature"] == expected
    told = json.loads(body)
    assert (told["event"]["action"], told["event"]["level"]) == ("throttled", 1)
    assert (told["incident"]["id"], told["incident"]["role"]) == ("i", "watcher")
    assert "slots" not in told["incident"]


@pytest.mark.parametrize("status", [302, 307, 400, 500])
def test_what_a_webhook_does_not_take_is_a_failure_and_no_redirect_is_followed(hook: Hook, status: int) -> None:
    hook.answers = [status]
    with pytest.raises(OSError, match=str(status)):
        send(Contact(url=hook.url), "", b"{}")
    assert len(hook.told) == 1


# --- failures --------------------------------------------------------------------------------------


class Watch:
    """A clock that goes to the next attempt at once."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 0.5
        return self.now


@pytest.mark.parametrize("failures", [0, 1, 4, 5, 100])
def test_whom_it_cannot_reach_it_tries_five_times(failures: int) -> None:
    attempts = 0

    def try_it(contact: Contact, title: str, body: bytes) -> None:
        nonlocal attempts
        attempts += 1
        if attempts <= failures:
            raise OSError("away")

    class Impatient(Teller):
        def _failed(self, one: Any, why: str) -> None:
            super()._failed(one, why)
            one.due = 0.0

    teller = Impatient({Role.watcher: (HOOK,)}, try_it)
    teller.tell(incident())
    (reached,) = until(teller.reached)
    assert attempts == min(failures + 1, 5)
    assert reached.failed == ("" if failures < 5 else "http://hook.example: OSError: away")
    teller.close()


def test_whoever_does_not_answer_delays_nobody_and_the_queue_is_bounded() -> None:
    hold = threading.Event()

    def wait(contact: Contact, title: str, body: bytes) -> None:
        hold.wait(20)

    teller = Teller({Role.watcher: (HOOK,)}, wait)
    begun = time.perf_counter()
    for _ in range(1100):
        teller.tell(incident())
    assert time.perf_counter() - begun < 10
    failed = teller.reached()
    assert 95 <= len(failed) <= 100
    assert all(one.failed == "1000 messages wait already" for one in failed)
    hold.set()
    teller.close()


def test_a_bidder_counts_whom_it_could_not_reach_and_keeps_whom_it_has(bundle_folder: Path, tmp_path: Path) -> None:
    contacts = file(tmp_path, {"watcher": ["http://127.0.0.1:9/nobody"]})
    clock = ManualClock(20_000 * DAY)
    config = ServeConfig(bundle=bundle_folder, state=tmp_path / "state", contacts=contacts)
    bidder = open_bidder(config, clock)
    target = Target(kind="campaign")
    id = bidder.responder.notice(Risk.tracking_outage, "default", target, "nothing is told", {}).id
    teller = bidder.responder.contacts
    assert teller is not None
    teller.close()  # each message once more
    bidder.tick()
    assert bidder.events.counts[Cause.contact_failed] == 1
    (step,) = [s for s in bidder.responder.get(id).steps if s.action is Action.told]
    assert step.evidence == {"contacts": ["http://127.0.0.1"], "reached": False}
    bidder.close()
