"""Incidents as operators see and act on them, and as Prometheus reads them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bidpilot.bidding.watch.alarm import Risk
from bidpilot.serving.admin_app import AdminApp
from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import DAY, ManualClock
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.incidents.incident import Level, Target
from bidpilot.serving.incidents.policy import HOUR
from bidpilot.serving.server import applications
from bidpilot.serving.tokens import Tokens
from tests.serving.doors import ask

TOKEN = "the-token-of-all-roles"
NOW = 20_000 * DAY


@pytest.fixture
def app(bundle_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AdminApp]:
    monkeypatch.setenv("BIDPILOT_ADMIN_TOKEN", TOKEN)
    config = ServeConfig(bundle=bundle_folder, state=tmp_path)
    with open_bidder(config, ManualClock(NOW)) as bidder:
        made = applications(bidder, config, "http://x")[1]
        bidder.responder.notice(
            Risk.invalid_traffic, "default", Target(kind="source", index=2), "bots", {"share": 0.4}, Level.pause
        )
        yield made


def get(app: AdminApp, path: str = "", query: str = "") -> Any:
    answer = ask(app, f"/admin/incidents{path}", method="GET", token=TOKEN, query=query)
    assert answer.status == 200, answer.body
    return answer.body


def post(app: AdminApp, path: str, body: Any = None, token: str = TOKEN) -> tuple[int, Any]:
    return tuple(ask(app, f"/admin/incidents/{path}", b"" if body is None else body, token=token))


def test_an_operator_lists_acknowledges_extends_undoes_and_closes(app: AdminApp) -> None:
    (told,) = get(app)
    id = told["id"]
    assert (told["level"], told["role"], told["deadline"]) == (2, "watcher", NOW + 6 * HOUR)
    assert "slots" not in told
    assert get(app, f"/{id}")["alarms"][0]["share"] == 0.4
    assert post(app, f"{id}/extend", {"hours": 3})[1]["deadline"] == NOW + 9 * HOUR
    status, told = post(app, f"{id}/acknowledge", {"why": "looking"})
    assert (status, told["acknowledged"], told["deadline"]) == (200, True, None)
    assert (told["steps"][-1]["by"], told["steps"][-1]["cause"]) == ("admin", "looking")
    assert post(app, f"{id}/undo")[1]["level"] == 0
    assert post(app, f"{id}/close")[1]["open"] is False
    assert get(app, query="open=1") == []
    assert [one["id"] for one in get(app)] == [id]


def test_what_cannot_be_asked_is_said(app: AdminApp) -> None:
    (told,) = get(app)
    id = told["id"]
    assert post(app, "nothing/undo")[0] == 404
    assert post(app, f"{id}/burn")[0] == 404
    assert post(app, f"{id}/extend", {"hours": -1})[0] == 400
    assert post(app, f"{id}/undo", {"what": 1})[0] == 400
    assert post(app, f"{id}/close")[0] == 200
    assert post(app, f"{id}/close")[0] == 400


def test_who_may_read_may_not_act(app: AdminApp, tmp_path: Path) -> None:
    file = tmp_path / "tokens.json"
    tokens = {role: {"token": f"of-{role}", "role": role} for role in ("read", "operate")}
    file.write_text(json.dumps(tokens))
    file.chmod(0o600)
    app.tokens = Tokens(TOKEN, file)
    (told,) = get(app)
    assert ask(app, "/admin/incidents", method="GET", token="of-read").status == 200
    for action in ("acknowledge", "undo", "extend", "close"):
        assert post(app, f"{told['id']}/{action}", token="of-read")[0] == 403
    assert get(app)[0] == told
    assert post(app, f"{told['id']}/close", token="of-operate")[0] == 200


def test_prometheus_reads_open_incidents_and_levels(app: AdminApp) -> None:
    def lines() -> set[str]:
        return set(app.metrics.text().decode().splitlines())

    assert {
        'bidpilot_incidents_open{campaign="default",risk="invalid_traffic"} 1.0',
        'bidpilot_response_level{campaign="default"} 2.0',
        "bidpilot_incidents_waiting 1.0",
    } <= lines()
    (told,) = get(app)
    post(app, f"{told['id']}/close")
    assert {
        'bidpilot_incidents_open{campaign="default",risk="invalid_traffic"} 0.0',
        'bidpilot_response_level{campaign="default"} 0.0',
        "bidpilot_incidents_waiting 0.0",
    } <= lines()


words = st.one_of(st.sampled_from(["acknowledge", "undo", "extend", "close", "ID"]), st.text(max_size=20))
bodies = st.one_of(
    st.binary(max_size=40),
    st.fixed_dictionaries({}, optional={"why": st.text(max_size=9), "hours": st.floats() | st.integers()}),
)


@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(id=words, action=words, body=bodies)
def test_nothing_that_is_asked_fails(app: AdminApp, id: str, action: str, body: Any) -> None:
    known = next(iter(app.bidder.responder.incidents))
    status, told = post(app, f"{known if id == 'ID' else id}/{action}", body)
    assert status in (200, 400, 404)
    assert status == 200 or told["error"]
