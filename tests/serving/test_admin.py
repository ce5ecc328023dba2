"""Administration: roles, answers that never wait for a disk, and no traceback for anything an operator can send."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.errors import InvalidServing, LedgerUnavailable
from bidpilot.serving.admin_app import AdminApp
from bidpilot.serving.auction import Bid, NoBid, Opportunity
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import DAY, ManualClock
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.exchange_app import readiness
from bidpilot.serving.guardrails import Cause
from bidpilot.serving.ledger.keeper import Work
from bidpilot.serving.ledger.store import Order
from bidpilot.serving.secret import secret
from bidpilot.serving.served import ServedCampaign
from bidpilot.serving.server import _run_all, applications
from bidpilot.serving.tokens import Role, Tokens
from tests.serving.doors import Given

FUZZ = int(os.environ.get("BIDPILOT_FUZZ", "1000")) // 2  # there are two tests
MANY = settings(
    max_examples=FUZZ, deadline=None, database=None, suppress_health_check=list(HealthCheck), derandomize=True
)
AUCTION = Opportunity((0.6, 0.2, 0.004), 0)
TOKEN = "the-token-of-all-roles"


async def ask(app: AdminApp, method: str, path: str, body: Any = None, token: str | None = TOKEN) -> tuple[int, Any]:
    async def read(most: int, seconds: float) -> bytes:
        return body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()

    response = await app(Given(method, path, "", None if token is None else f"Bearer {token}", read))
    return response.status, json.loads(response.body)


@pytest.fixture
def app(bundle_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AdminApp]:
    monkeypatch.setenv("BIDPILOT_ADMIN_TOKEN", TOKEN)
    config = ServeConfig(bundle=bundle_folder, state=tmp_path)
    with open_bidder(config, ManualClock(20_000 * DAY)) as bidder:
        yield applications(bidder, config, "http://x")[1]


# --- roles ---------------------------------------------------------------------------------------

NEEDS = [
    (Role.read, "GET", "/admin/campaigns", None),
    (Role.read, "GET", "/admin/bidders", None),
    (Role.read, "GET", "/admin/nothing", None),
    (Role.read, "POST", "/admin/explain", {"id": "r", "imp": []}),
    (Role.operate, "POST", "/admin/campaigns/default/pause", None),
    (Role.operate, "POST", "/admin/campaigns/default/resume", None),
    (Role.read, "GET", "/admin/incidents", None),
    (Role.operate, "POST", "/admin/incidents/none/undo", None),
    (Role.operate, "POST", "/admin/kill", None),
    (Role.operate, "POST", "/admin/revive", None),
    (Role.direct, "POST", "/admin/campaigns/default/budget", {"budget": 41.0}),
    (Role.direct, "PUT", "/admin/campaigns/new", {}),
    (Role.direct, "PUT", "/admin/campaigns/pause", {}),  # a campaign's name is no action
    (Role.direct, "DELETE", "/admin/campaigns/default", None),
    (Role.direct, "POST", "/admin/clock", {"now": 0.0}),
    (Role.direct, "POST", "/admin/bundle", None),
    (Role.direct, "POST", "/admin/whatever-comes", None),
]


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize(("needed", "method", "path", "body"), NEEDS)
def test_a_token_may_do_what_its_role_may_and_those_before_it(
    app: AdminApp, tmp_path: Path, role: Role, needed: Role, method: str, path: str, body: Any
) -> None:
    file = tmp_path / "tokens.json"
    file.write_text(json.dumps({"eve": {"token": "hers", "role": role.name}}))
    file.chmod(0o600)
    app.tokens = Tokens(TOKEN, file)
    before = app.bidder.control.orders.version
    status, answer = asyncio.run(ask(app, method, path, body, "hers"))
    if role >= needed:
        assert status in (200, 400, 404)
    else:
        assert status == 403
        assert answer == {"error": f"eve may {role.name}, and this needs a token that may {needed.name}"}
        assert app.bidder.control.orders.version == before
    assert asyncio.run(ask(app, method, path, body, "nobodys"))[0] == 401
    assert asyncio.run(ask(app, method, path, body, None))[0] == 401


def test_events_name_who_has_ordered(app: AdminApp, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "tokens.json"
    anna = {"sha256": hashlib.sha256(b"hers").hexdigest().upper(), "role": "direct"}
    file.write_text(json.dumps({"anna": anna}))
    file.chmod(0o640)
    app.tokens = Tokens(TOKEN, file)
    for path, body in (("kill", None), ("campaigns/default/pause", None), ("campaigns/default/budget", {"budget": 9})):
        caplog.clear()
        assert asyncio.run(ask(app, "POST", f"/admin/{path}", body, "hers"))[0] == 200
        assert "by anna" in caplog.text  # each of them, however soon after the one before
    assert asyncio.run(ask(app, "DELETE", "/admin/campaigns/default"))[0] == 200
    assert "deleted, by admin" in caplog.text


BAD_TOKENS = {
    "no JSON": "anna",
    "a list": "[]",
    "no entry": '{"anna": "hers"}',
    "no role": '{"anna": {"token": "hers"}}',
    "another role": '{"anna": {"token": "hers", "role": "emperor"}}',
    "an empty token": '{"anna": {"token": "", "role": "read"}}',
    "a blank token": '{"anna": {"token": " \\n", "role": "read"}}',
    "no token": '{"anna": {"role": "read"}}',
    "both": '{"anna": {"token": "hers", "sha256": "' + "0" * 64 + '", "role": "read"}}',
    "a short digest": '{"anna": {"sha256": "abc", "role": "read"}}',
    "the digest of nothing": json.dumps({"anna": {"sha256": hashlib.sha256(b"").hexdigest(), "role": "read"}}),
    "an unknown key": '{"anna": {"token": "hers", "role": "read", "until": 5}}',
    "one token twice": '{"anna": {"token": "hers", "role": "read"}, "eve": {"token": "hers", "role": "direct"}}',
    "the token of all roles": json.dumps({"anna": {"token": TOKEN, "role": "read"}}),
    "not UTF-8": "\udcff",
    "deep": "[" * 100_000,
}


@pytest.mark.parametrize("what", BAD_TOKENS)
def test_a_file_of_what_are_no_tokens_is_a_named_error(tmp_path: Path, what: str) -> None:
    file = tmp_path / "tokens.json"
    file.write_bytes(BAD_TOKENS[what].encode(errors="surrogateescape"))
    file.chmod(0o600)
    with pytest.raises(InvalidServing, match=r"(Write|Give|give either|Say)"):
        Tokens(TOKEN, file)


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o666])
def test_a_file_of_tokens_that_anybody_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "tokens.json"
    file.write_text('{"anna": {"token": "hers", "role": "read"}}')
    file.chmod(mode)
    with pytest.raises(InvalidServing, match="chmod o-r"):
        Tokens(TOKEN, file)


def test_a_folder_or_nothing_in_place_of_tokens_is_a_named_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    for path in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(InvalidServing, match="holds no tokens"):
            Tokens(TOKEN, path)


@pytest.mark.parametrize("text", ["", " ", "\n", "\t\n "])
@pytest.mark.parametrize("where", ["file", "variable"])
@pytest.mark.parametrize("name", ["admin.token", "notice.secret"])
def test_an_empty_secret_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, name: str, text: str
) -> None:
    monkeypatch.delenv("SOME_SECRET", raising=False)
    if where == "file":
        (tmp_path / name).write_text(text)
    else:
        monkeypatch.setenv("SOME_SECRET", text)
    with pytest.raises(InvalidServing, match=r"is empty.*(Delete it|unset it)"):
        secret(ServeConfig(bundle=Path("b"), state=tmp_path), name, "SOME_SECRET")


def test_a_secret_that_cannot_be_read_or_made_is_a_named_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOME_SECRET", raising=False)
    config = ServeConfig(bundle=Path("b"), state=tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    for name in ("folder", "bytes"):
        with pytest.raises(InvalidServing, match="Set SOME_SECRET"):
            secret(config, name, "SOME_SECRET")
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidServing, match="Set SOME_SECRET"):
        secret(config.model_copy(update={"state": tmp_path / "file"}), "s", "SOME_SECRET")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr("os.fsync", full)
        with pytest.raises(InvalidServing, match="No space left"):
            secret(config, "s", "SOME_SECRET")
    assert not (tmp_path / "s").exists()  # no half of a secret is left that would be taken for one
    assert len(secret(config, "s", "SOME_SECRET")) >= 32


# --- answers that do not wait --------------------------------------------------------------------


@asynccontextmanager
async def threaded(config: ServeConfig) -> AsyncIterator[AdminApp]:
    """The application as the server runs it: the ledger in a thread of its own, results by the event loop."""
    loop = asyncio.get_running_loop()

    def deliver(results: Sequence[Work]) -> None:
        loop.call_soon_threadsafe(_run_all, results)

    bidder = open_bidder(config, ManualClock(20_000 * DAY), deliver)

    async def tick() -> None:
        while True:
            bidder.tick()
            await asyncio.sleep(0.01)

    ticking = asyncio.create_task(tick())
    app = applications(bidder, config, "http://x")[1]
    while not bidder.days["default"].wallet.free:
        await asyncio.sleep(0.01)
    try:
        yield app
    finally:
        ticking.cancel()
        bidder.close()


class Late:
    """The longest time that the event loop has not come by."""

    def __init__(self) -> None:
        self.most = 0.0

    async def __aenter__(self) -> Late:
        async def watch() -> None:
            while True:
                begin = time.perf_counter()
                await asyncio.sleep(0.005)
                self.most = max(self.most, time.perf_counter() - begin - 0.005)

        self.task = asyncio.create_task(watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()


ORDERS = [
    ("POST", "/admin/kill", None),
    ("POST", "/admin/campaigns/default/pause", None),
    ("POST", "/admin/campaigns/default/budget", {"budget": 30}),
    ("PUT", "/admin/campaigns/default", {"creative": {"crid": "other"}}),
    ("DELETE", "/admin/campaigns/default", None),
]


@pytest.mark.parametrize("how", ["refuses", "hangs"])
def test_an_order_is_answered_202_while_the_store_does_not_take_it_and_200_after(
    bundle_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Every order in turn: within half a second, in force, without a pause of the loop that bids come by."""
    monkeypatch.setenv("BIDPILOT_ADMIN_TOKEN", TOKEN)

    async def run() -> None:
        async with threaded(ServeConfig(bundle=bundle_folder, state=tmp_path)) as app:
            store, gate = app.bidder.desk.keeper.store, threading.Event()
            order = store.order

            def broken(name: str, text: str) -> int:
                if how == "refuses" and not gate.is_set():
                    raise LedgerUnavailable("disk full")
                assert gate.wait(20)
                return order(name, text)

            monkeypatch.setattr(store, "order", broken)
            async with Late() as late:
                for method, path, body in ORDERS:
                    begin = time.perf_counter()
                    status, answer = await ask(app, method, path, body)
                    assert (status, answer["durable"]) == (202, False)
                    assert time.perf_counter() - begin < 0.6
                assert app.bidder.killed
                assert app.bidder.served == {}
                assert isinstance(app.bidder.bid(AUCTION), NoBid)
                assert b"bidpilot_orders_pending 5.0" in app.metrics.text()
                if how == "hangs":
                    assert app.bidder.desk.keeper.age > 1.0
                gate.set()
                while app.bidder.control.orders.pending:
                    await asyncio.sleep(0.01)
                assert (await ask(app, "POST", "/admin/kill"))[0] == 200
                assert late.most < 0.1
            assert b"bidpilot_orders_pending 0.0" in app.metrics.text()
            assert {o.name for o in store.orders(0)} >= {"kill", "campaign/default"}

    asyncio.run(run())


def test_ready_is_503_while_the_ledger_fails_and_while_it_is_stuck(
    bundle_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIDPILOT_ADMIN_TOKEN", TOKEN)

    async def run() -> None:
        async with threaded(ServeConfig(bundle=bundle_folder, state=tmp_path)) as app:
            bidder, keeper = app.bidder, app.bidder.desk.keeper
            assert readiness(bidder, draining=False).status == 200

            def poison(store: object) -> int:
                raise OverflowError("Python int too large to convert to SQLite INTEGER")

            answers: list[object] = []
            keeper.run(poison, answers.append)
            while not answers:
                await asyncio.sleep(0.001)
            assert answers == [None]
            failed = readiness(bidder, draining=False)
            assert failed.status == 503
            assert json.loads(failed.body)["ledger"] is False
            assert bidder.events.counts[Cause.ledger_failed] == 1
            keeper.run(lambda store: store.state("x"), answers.append)
            while len(answers) < 2:
                await asyncio.sleep(0.001)
            assert readiness(bidder, draining=False).status == 200
            gate, monotonic = threading.Event(), keeper._monotonic
            keeper.run(lambda store: gate.wait(20), answers.append)
            assert readiness(bidder, draining=False).status == 200
            keeper._monotonic = lambda: monotonic() + 6.0
            assert readiness(bidder, draining=False).status == 503
            age = next(line for line in app.metrics.text().splitlines() if line.startswith(b"bidpilot_ledger_age_sec"))
            assert 6.0 <= float(age.split()[1]) < 7.0
            gate.set()

    asyncio.run(run())


def test_a_budget_that_no_ledger_can_keep_is_refused_and_bills_go_on(app: AdminApp) -> None:
    for budget in (1e13, 1e300, 1e308, 9.1e9, 1e-9, 0, -1, None, "NaN"):
        status, answer = asyncio.run(ask(app, "POST", "/admin/campaigns/default/budget", {"budget": budget}))
        assert status == 400, budget
        assert answer["error"]
    assert app.bidder.served["default"].campaign.budget == 40.0
    made = app.bidder.bid(AUCTION)
    assert isinstance(made, Bid)
    told: list[object] = []
    app.bidder.bill(made.ticket, 0.0001, None, told.append)
    assert told == ["settled"]


def test_each_bidder_says_what_it_takes_to_be_ordered(app: AdminApp) -> None:
    asyncio.run(ask(app, "POST", "/admin/campaigns/default/pause"))
    asyncio.run(ask(app, "POST", "/admin/kill"))
    status, answer = asyncio.run(ask(app, "GET", "/admin/bidders"))
    (believed,) = answer["bidders"].values()
    assert status == 200
    assert answer["store"] == "answers"
    assert believed["killed"] is True
    assert believed["campaigns"] == {"default": {"budget": 40.0, "paused": True}}
    assert (believed["alive"], believed["pending"], believed["last_seen"]) == (True, 0, 0.0)


# --- anything that can be sent -------------------------------------------------------------------

NUMBERS = st.one_of(
    st.integers(-(10**30), 10**30),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0, -1, 1e13, 1e308, 1e-308, 2**53, 2**63, 2**64, 10**400]),
)
WORDS = st.one_of(st.text(max_size=20), st.sampled_from(["x" * 5000, "", "\u0000", "../..", "NaN", "default", "a"]))
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)
CAMPAIGN = st.fixed_dictionaries({}, optional=dict.fromkeys([*Campaign.model_fields, "other"], JSON | NUMBERS))
BODIES = st.one_of(
    st.binary(max_size=60),
    JSON.map(lambda value: json.dumps(value).encode()),
    st.fixed_dictionaries({"budget": JSON}).map(lambda value: json.dumps(value).encode()),
    st.fixed_dictionaries({"now": JSON}).map(lambda value: json.dumps(value).encode()),
    st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("creative", "paused", "weights", "name", "x"), JSON) | {"campaign": CAMPAIGN | JSON}
    ).map(lambda value: json.dumps(value).encode()),
    st.sampled_from([b"", b"[" * 30_000, b'{"campaign":' * 9000, b'{"budget":1e999}', b'{"budget":NaN}', b'"\\ud800"']),
)
PATHS = st.one_of(
    st.sampled_from(["kill", "revive", "explain", "clock", "campaigns", "bidders", "", "bundle"]),
    st.builds(
        "campaigns/{}/{}".format, WORDS, st.sampled_from(["pause", "resume", "budget", "explode", "", "x" * 4000])
    ),
    st.builds("campaigns/{}".format, WORDS),
    WORDS,
).map("/admin/{}".format)


@pytest.fixture(scope="module")
def long_lived(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdminApp]:
    os.environ["BIDPILOT_ADMIN_TOKEN"] = TOKEN
    config = ServeConfig(bundle=bundle_folder, state=tmp_path_factory.mktemp("state"))
    with open_bidder(config, ManualClock(20_000 * DAY)) as bidder:
        yield applications(bidder, config, "http://x")[1]
    del os.environ["BIDPILOT_ADMIN_TOKEN"]


@MANY
@given(method=st.sampled_from(["GET", "PUT", "POST", "DELETE", "PATCH", ""]), path=PATHS, body=BODIES)
def test_whatever_is_sent_is_answered_and_bidding_goes_on(
    long_lived: AdminApp, method: str, path: str, body: bytes
) -> None:
    status, answer = asyncio.run(ask(long_lived, method, path, body))
    assert status in (200, 202, 400, 404, 405), (status, answer)
    assert (status == 200) or answer["error"]
    bidder = long_lived.bidder
    bidder.tick()
    bidder.bid(AUCTION)
    assert b"bidpilot_orders_pending 0.0" in long_lived.metrics.text()
    restore(bidder)


@MANY
@given(campaign=CAMPAIGN)
def test_whatever_a_campaign_is_given_it_is_served_or_refused_whole(
    long_lived: AdminApp, campaign: dict[str, Any]
) -> None:
    bidder = long_lived.bidder
    before = bidder.served
    for name in ("default", "other"):
        status, answer = asyncio.run(ask(long_lived, "PUT", f"/admin/campaigns/{name}", {"campaign": campaign}))
        assert status in (200, 400), (status, answer)
        if status == 400:
            assert bidder.served.get(name) == before.get(name)
        else:
            bidder.tick()
            made = bidder.bid(AUCTION)
            assert isinstance(made, NoBid) or 0 < made.amount <= 9e15
    restore(bidder)


def restore(bidder: Bidder) -> None:
    bidder.kill(False)
    for name in bidder.served:
        if name != "default":
            bidder.remove(name)
            bidder._days.running.pop(name).close()
    manifest = bidder.bundle.manifest
    plain = ServedCampaign(name="default", campaign=manifest.campaign)
    if bidder.served.get("default") != plain:
        bidder.put(plain)


def test_what_the_fuzz_ordered_is_what_a_restart_finds(long_lived: AdminApp) -> None:
    orders = long_lived.bidder.desk.keeper.store.orders(0)
    assert all(isinstance(order, Order) for order in orders)
    assert not long_lived.bidder.control.orders.pending
