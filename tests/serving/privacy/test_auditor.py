"""What operators do is in the audit log, whoever they are and whatever becomes of it; and nothing secret is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bidpilot.bidding.watch.alarm import Risk
from bidpilot.serving.admin_app import AdminApp
from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import DAY, ManualClock
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.guardrails import Cause
from bidpilot.serving.http import BodyRefused
from bidpilot.serving.incidents.incident import Target
from bidpilot.serving.privacy.audit import Line, read, verify
from bidpilot.serving.server import applications
from bidpilot.serving.tokens import Tokens
from tests.serving.doors import Given

TOKEN, HERS = "the-token-of-all-roles", "a-token-of-hers"


@pytest.fixture
def app(bundle_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AdminApp]:
    monkeypatch.setenv("BIDPILOT_ADMIN_TOKEN", TOKEN)
    file = tmp_path / "tokens.json"
    file.write_text(json.dumps({"eve": {"token": HERS, "role": "operate"}}))
    file.chmod(0o600)
    config = ServeConfig(bundle=bundle_folder, state=tmp_path / "state")
    with open_bidder(config, ManualClock(20_000 * DAY)) as bidder:
        made = applications(bidder, config, "http://x")[1]
        made.tokens = Tokens(TOKEN, file)
        yield made


def ask(app: AdminApp, method: str, path: str, body: Any = None, token: str | None = TOKEN, query: str = "") -> int:
    async def read(most: int, seconds: float) -> bytes:
        if isinstance(body, BaseException):
            raise body
        return b"" if body is None else json.dumps(body).encode()

    authorization = None if token is None else f"Bearer {token}"
    return asyncio.run(app(Given(method, f"/admin/{path}", query, authorization, read, "10.1.2.3:444"))).status


def lines(app: AdminApp) -> list[Line]:
    path = app.auditor.log.path
    return [line for _, line in read(path)] if path.exists() else []


KEPT = [
    ("POST", "kill", None, {"killed": False}, {"killed": True}),
    ("POST", "campaigns/default/pause", None, {"paused": False}, {"paused": True}),
    ("POST", "campaigns/default/budget", {"budget": 9.0}, {"campaign.budget": 40.0}, {"campaign.budget": 9.0}),
    ("POST", "campaigns/default/budget", {"budget": -1}, {}, {}),
    ("POST", "campaigns/nobody/pause", None, {}, {}),
    ("POST", "bundle", {"path": "/nowhere"}, {}, {}),
    ("POST", "whatever-comes", None, {}, {}),
    ("PUT", "campaigns/default", BodyRefused(408, "body_too_slow"), {}, {}),
]


@pytest.mark.parametrize(("method", "path", "body", "before", "after"), KEPT)
def test_each_action_is_kept_with_what_it_changed(
    app: AdminApp, method: str, path: str, body: Any, before: Any, after: Any
) -> None:
    status = ask(app, method, path, body)
    (line,) = lines(app)
    assert (line.who, line.role, line.peer) == ("admin", "direct", "10.1.2.3:444")
    assert (line.what, line.status) == (f"{method} /admin/{path}", status)
    assert (line.before, line.after) == (before, after)


def test_a_campaign_that_is_put_and_deleted_is_kept_as_a_whole(app: AdminApp) -> None:
    assert ask(app, "PUT", "campaigns/new", {"campaign": {"budget": 7.0}}) == 200
    assert ask(app, "DELETE", "campaigns/new") == 200
    put, deleted = lines(app)
    assert put.before == deleted.after == {}
    assert put.after == deleted.before
    assert put.after["campaign.budget"] == 7.0
    verify(app.auditor.log.path)


def test_what_is_done_about_an_incident_is_kept_with_what_it_changed(app: AdminApp) -> None:
    responder = app.bidder.responder
    incident = responder.notice(Risk.budget_overrun, "default", Target(kind="campaign"), "bills above bids", {})
    assert incident is not None
    assert ask(app, "POST", f"incidents/{incident.id}/acknowledge", {"why": "looking"}) == 200
    assert ask(app, "POST", f"incidents/{incident.id}/close") == 200
    taken, closed = lines(app)
    assert (taken.before["acknowledged"], taken.after["acknowledged"]) == (False, True)
    assert (closed.before["open"], closed.after["open"]) == (True, False)


def test_an_action_that_a_role_may_not_is_kept_and_what_only_reads_is_not(app: AdminApp) -> None:
    assert ask(app, "GET", "campaigns") == 200
    assert ask(app, "POST", "explain", {"id": "r", "imp": []}) == 200
    assert ask(app, "POST", "clock", {"now": 20_000.5 * DAY}) == 200
    assert ask(app, "POST", "kill", token="wrong") == 401  # who asks without a token could fill the disk
    assert ask(app, "POST", "kill", token=None) == 401
    assert lines(app) == []
    assert ask(app, "POST", "campaigns/default/budget", {"budget": 5}, HERS) == 403
    (line,) = lines(app)
    assert (line.who, line.role, line.status, line.before) == ("eve", "operate", 403, {})


def test_no_token_query_body_or_markup_is_kept(app: AdminApp) -> None:
    creative = {"crid": "c", "adm": "<img src='//x/?key=s3cret-markup'>"}
    assert ask(app, "PUT", "campaigns/default", {"creative": creative}, query="token=s3cret-query") == 200
    ask(app, "PUT", "campaigns/default", {"s3cret-field": "s3cret-value"})
    ask(app, "POST", "bundle", {"path": "s3cret-path"})
    ask(app, "POST", "kill", {"s3cret": 1}, HERS)
    ask(app, "POST", "x" * 5000)
    assert len(lines(app)) == 5
    text = app.auditor.log.path.read_text()
    assert "s3cret" not in text
    assert TOKEN not in text
    assert HERS not in text
    assert lines(app)[0].after["creative"]["adm"].startswith("sha256:")
    assert len(text) < 5000


def test_an_order_holds_though_its_line_cannot_be_written(app: AdminApp) -> None:
    path = app.auditor.log.path
    path.mkdir(parents=True)  # a folder in the file's place: no line can be written
    assert ask(app, "POST", "kill") == 200
    assert app.bidder.killed
    assert app.bidder.event_counts()[Cause.audit_failed] == 1
    assert b'bidpilot_guardrail_events_total{cause="audit_failed"} 1.0' in app.metrics.text()
    path.rmdir()
    assert ask(app, "POST", "revive") == 200
    assert [line.what for line in lines(app)] == ["POST /admin/kill", "POST /admin/revive"]


def test_who_goes_away_in_the_middle_is_kept(app: AdminApp) -> None:
    ask_away = asyncio.CancelledError()
    with pytest.raises(asyncio.CancelledError):
        ask(app, "POST", "campaigns/default/pause", ask_away)
    (line,) = lines(app)
    assert line.status == 0
