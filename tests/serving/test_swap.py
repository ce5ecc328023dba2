"""Another bundle for a running bidder: it decides from the next slot on, and nothing that was known or owed is lost."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bidpilot.bidding.bundle import load_bundle
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.day.statistics import _COUNTED
from bidpilot.bidding.errors import BundleMismatch, InvalidBundle, InvalidServing
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.envs.markets.defaults import preset_forecast
from bidpilot.serving.admin_app import AdminApp
from bidpilot.serving.auction import Bid, Opportunity
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import DAY, ManualClock
from bidpilot.serving.campaign_day import CampaignDay
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.desk import Origin
from bidpilot.serving.guardrails import GuardrailConfig
from bidpilot.serving.ledger.store import MICRO
from bidpilot.serving.served import ServedCampaign
from bidpilot.serving.server import applications
from bidpilot.serving.successor import Successor, prepare
from bidpilot.serving.swap import Swap
from bidpilot.serving.told import Told
from tests.serving.conftest import write_controller_bundle
from tests.serving.doors import ask, promised
from tests.serving.served import Served, only_bid

START, SLOT = 20_000 * DAY, DAY / 48
VALUE = (0.6, 0.2, 0.004)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Bundles of other controllers, and one whose forecast says other prices and other days."""
    at, forecast = tmp_path_factory.mktemp("bundles"), preset_forecast()
    dear = replace(forecast, landscape=replace(forecast.landscape, price=2.0 * forecast.landscape.price))
    small = replace(
        forecast, auctions=forecast.auctions[::2], price_curve=forecast.price_curve[::2],
        history=forecast.history[:, ::2], observed=forecast.observed[:, ::2], level_slots=forecast.level_slots // 2,
    )  # fmt: skip
    return {
        "mpc": write_controller_bundle(at / "mpc"),
        "pid": write_controller_bundle(at / "pid", "pid"),
        "plan": write_controller_bundle(at / "plan", "plan"),
        "dear": write_controller_bundle(at / "dear", "mpc", forecast=dear),
        "slots": write_controller_bundle(at / "slots", "mpc", forecast=small),
    }


class Desk:
    """A bidder in the middle of its day, its clock, and what brings other bundles in."""

    def __init__(self, bundle: Path, state: Path, **config: Any) -> None:
        self.clock = ManualClock(START)
        # bills come slots later, and a busy machine is no slow policy
        patient = GuardrailConfig(patience=5.0)
        self.config = ServeConfig(bundle=bundle, state=state, bid_expiry=7200.0, guardrails=patient, **config)
        self.bidder = open_bidder(self.config, self.clock)
        self.swap = Swap(self.bidder, self.config)
        self.bids: list[Bid] = []

    @property
    def day(self) -> CampaignDay:
        return self.bidder.days["default"]

    def slot(self, slot: int) -> None:
        """Go on to a slot of the first day."""
        self.clock.move(START + slot * SLOT)
        self.bidder.tick()

    def trade(self, auctions: int = 20, seed: int = 0) -> None:
        """Auctions, of which some are billed at half the bid, some lost, some left open, some told late."""
        generator = np.random.default_rng(seed)
        for k in range(auctions):
            value = (float(generator.random()), 0.2, 0.004)
            bid = self.bidder.bid(Opportunity(value, int(generator.integers(8)), int(generator.integers(200))))
            if not isinstance(bid, Bid):
                continue
            if k % 3 == 0:
                self.bidder.bill(bid.ticket, 0.5 * bid.amount / MICRO, 0.5 * bid.amount / MICRO)
                self.bidder.outcome(bid.ticket, Told(interaction=0.5))
            elif k % 3 == 1:
                self.bidder.loss(bid.ticket, 2.0 * bid.amount / MICRO)
            else:
                self.bids.append(bid)

    def close(self) -> None:
        self.bidder.close()


Open = Callable[..., Desk]


@pytest.fixture
def opened(bundles: dict[str, Path], memory: Path) -> Iterator[Open]:
    desks: list[Desk] = []

    def made(bundle: str = "mpc", **config: Any) -> Desk:
        desks.append(Desk(bundles[bundle], memory / str(len(desks)), **config))
        return desks[-1]

    yield made
    for desk in desks:
        desk.close()


def counted(day: CampaignDay) -> dict[str, Any]:
    """All that the day's pilot has counted."""
    s = day._pilot._statistics
    return {name: getattr(s, name).copy() for name in _COUNTED} | {"slot": s.t}


def money(bidder: Bidder) -> tuple[Any, ...]:
    wallet = bidder.days["default"].wallet
    return wallet.free, wallet.promised, wallet.outstanding, wallet.state, wallet.lease, dict(wallet.promised_by_slot)


def running(desk: Desk) -> str:
    """The digest of the bundle that decides the day."""
    return desk.day.desk.origin.digest


# --- taking over ---------------------------------------------------------------------------------


@pytest.mark.parametrize("to", ["pid", "plan", "dear", "mpc"])
@pytest.mark.parametrize("slots", [0, 1, 7, 47])
def test_it_decides_from_the_next_slot_on_with_all_that_is_known_and_owed(
    opened: Open, bundles: dict[str, Path], to: str, slots: int
) -> None:
    desk = opened()
    for slot in range(slots + 1):
        desk.slot(slot)
        desk.trade(seed=slot)
    before, decision, held, wallet = counted(desk.day), desk.day.decision, money(desk.bidder), desk.day.wallet
    found = desk.swap.now(bundles[to])
    digest = load_bundle(bundles[to]).digest
    tomorrow = slots == 47
    assert found == {
        "prepared": True, "from_slot": 0 if tomorrow else slots + 1, "digest": digest, "run": "0",
        "date": "2024-10-05" if tomorrow else "2024-10-04",
    }  # fmt: skip
    # until the slot ends nothing has changed
    assert (money(desk.bidder), desk.day.decision) == (held, decision)
    assert running(desk) == load_bundle(bundles["mpc"]).digest
    desk.slot(slots + 1)
    assert running(desk) == digest
    if tomorrow:
        return
    assert desk.day.wallet is wallet
    assert wallet.promised == sum(bid.amount for bid in desk.bids if bid.ticket.expires >= desk.clock())
    after = counted(desk.day)
    assert after["slot"] == slots + 1
    for name in ("spend", "wins", "auctions", "realised", "predicted", "committed"):
        np.testing.assert_array_equal(after[name][: slots + 1], before[name][: slots + 1], err_msg=name)
    for bid in desk.bids:  # what was reserved is billed, and counts
        if bid.ticket.expires < desk.clock():
            continue
        settled = wallet.state.settled  # type: ignore[union-attr]
        desk.bidder.bill(bid.ticket, 0.5 * bid.amount / MICRO)
        assert wallet.state.settled == settled + round(0.5 * bid.amount)  # type: ignore[union-attr]
    assert promised(desk.bidder) == 0
    desk.trade()


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(at=st.integers(0, 4), until=st.integers(6, 7), seed=st.integers(0, 1000))
def test_a_bundle_swapped_for_itself_changes_nothing_ever(
    bundles: dict[str, Path], tmp_path_factory: pytest.TempPathFactory, at: int, until: int, seed: int
) -> None:
    """Beside it runs a bidder that is left alone: same decisions, same bids, same money, late bills among it."""
    desks = [Desk(bundles["mpc"], tmp_path_factory.mktemp("s")) for _ in range(2)]
    try:
        for slot in range(until):
            for desk in desks:
                desk.slot(slot)
                desk.trade(auctions=15, seed=seed + slot)
                for bid in desk.bids[:-3]:  # of slots gone by
                    desk.bidder.bill(bid.ticket, 0.4 * bid.amount / MICRO)
                    desk.bidder.outcome(bid.ticket, Told(interaction=1.0))
                del desk.bids[:-3]
            if slot == at:
                desks[0].swap.now(bundles["mpc"])
        mine, theirs = desks
        assert mine.day.desk is not theirs.day.desk
        for name, array in counted(mine.day).items():
            np.testing.assert_array_equal(array, counted(theirs.day)[name], err_msg=name)
        np.testing.assert_allclose(mine.day.decision.action, theirs.day.decision.action, atol=1e-9)
        assert [bid.amount for bid in mine.bids] == [bid.amount for bid in theirs.bids]
        assert money(mine.bidder)[:4] == money(theirs.bidder)[:4]
    finally:
        for desk in desks:
            desk.close()


def test_it_decides_as_a_bidder_that_was_started_with_it(opened: Open, bundles: dict[str, Path], memory: Path) -> None:
    """Of a day on which nothing was told late, a restart with the other bundle finds the same decision."""
    desk = opened()
    for slot in range(6):
        desk.slot(slot)
        for k in range(10):
            bid = desk.bidder.bid(Opportunity((0.1 * k, 0.2, 0.004), k % 8, k))
            assert isinstance(bid, Bid)
            desk.bidder.bill(bid.ticket, 0.5 * bid.amount / MICRO, 0.5 * bid.amount / MICRO)
    desk.swap.now(bundles["dear"])
    desk.slot(6)
    swapped = desk.day.decision
    desk.close()
    config = desk.config.model_copy(update={"bundle": bundles["dear"]})
    with open_bidder(config, ManualClock(START + 6 * SLOT)) as bidder:
        started = bidder.days["default"]
        np.testing.assert_allclose(swapped.action, started.decision.action, atol=1e-6)
        np.testing.assert_allclose(desk.day.pricer.rule.alpha, started.pricer.rule.alpha, rtol=1e-6)
        assert desk.day.cap == pytest.approx(started.cap)


def test_what_is_told_late_counts_after_it_as_before_it(opened: Open, bundles: dict[str, Path]) -> None:
    desk = opened()
    desk.trade(30)
    desk.slot(1)
    late = desk.bids.pop()
    desk.bidder.bill(late.ticket, 0.9 * late.amount / MICRO)  # of slot 0, which is closed
    spend = counted(desk.day)["spend"][1, 0]
    desk.swap.now(bundles["pid"])
    desk.slot(2)
    assert counted(desk.day)["spend"][1, 0] == spend
    again = desk.bids.pop()
    desk.bidder.bill(again.ticket, 0.5 * again.amount / MICRO)
    assert counted(desk.day)["spend"][1, 0] == pytest.approx(spend + 0.5 * again.amount / MICRO, abs=1e-6)
    assert desk.day.wallet.state is not None
    assert desk.day.wallet.state.settled / MICRO == pytest.approx(counted(desk.day)["spend"][2, 0], abs=1e-6)


def test_the_filter_of_traffic_and_its_memory_stay(opened: Open, bundles: dict[str, Path]) -> None:
    desk = opened()
    desk.trade()
    traffic = desk.day.filter
    known = desk.bidder.desk.book.memory  # type: ignore[union-attr]
    desk.swap.now(bundles["dear"])
    desk.slot(1)
    assert desk.day.filter is traffic
    assert desk.bidder.desk.book.memory is known  # type: ignore[union-attr]
    desk.clock.move(START + DAY)
    desk.bidder.tick()  # the day's filter is learnt from, by the book that is there now
    assert desk.bidder.desk.book.memory is not known  # type: ignore[union-attr]


def test_the_shadow_stays(opened: Open, bundles: dict[str, Path]) -> None:
    desk = opened(shadow=bundles["plan"])
    desk.trade()
    desk.swap.now(bundles["pid"])
    desk.slot(1)
    shadow = desk.day.pilots.shadow
    assert shadow is not None
    assert (shadow._agent.name, desk.day._pilot._agent.name) == ("plan", "pid")
    assert shadow.slot == desk.day._pilot.slot == 1
    assert desk.day.shadow_bid(VALUE, 0, 0, False) is not None


def test_campaigns_and_days_that_begin_meanwhile_begin_with_it(opened: Open, bundles: dict[str, Path]) -> None:
    desk = opened()
    digest = load_bundle(bundles["pid"]).digest
    desk.swap.now(bundles["pid"])
    desk.bidder.put(ServedCampaign(name="new", campaign=Campaign(budget=10.0)))
    assert desk.bidder.days["new"].desk.origin.digest == digest
    waiting = desk.day.successor
    assert waiting is not None
    desk.clock.move(START + DAY + 5 * SLOT)  # the day is over before its slot was closed by itself
    desk.bidder.tick()
    assert running(desk) == digest
    assert desk.day.successor is None


def test_of_two_bundles_in_one_slot_the_last_takes_over(opened: Open, bundles: dict[str, Path]) -> None:
    desk = opened()
    desk.swap.now(bundles["pid"])
    first = desk.day.successor
    desk.swap.now(bundles["plan"])
    assert desk.day.successor is not first
    desk.slot(1)
    assert desk.day._pilot._agent.name == "plan"
    desk.swap.now(bundles["mpc"])  # and back
    desk.slot(2)
    assert desk.day._pilot._agent.name == "mpc"


def test_coefficients_move_no_further_than_from_any_slot_to_the_next(opened: Open, bundles: dict[str, Path]) -> None:
    desk = opened()
    before = desk.day.pricer.rule.alpha
    desk.swap.now(bundles["dear"])
    desk.slot(1)
    limit = desk.config.guardrails.step_limit
    assert (desk.day.pricer.rule.alpha <= before * limit * (1 + 1e-12)).all()
    assert (desk.day.pricer.rule.alpha >= before / limit * (1 - 1e-12)).all()
    assert not np.array_equal(desk.day.pricer.rule.alpha, before)


# --- refused -------------------------------------------------------------------------------------


def altered(folder: Path, to: Path, name: str) -> Path:
    shutil.copytree(folder, to)
    data = bytearray((to / name).read_bytes())
    data[len(data) // 2] ^= 1
    (to / name).write_bytes(data)
    return to


def bad_bundle(kind: str, bundles: dict[str, Path], at: Path) -> Path:
    """A folder that cannot be served in place of `mpc`."""
    good = bundles["mpc"]
    if kind in ("forecast.npz", "golden.json", "manifest.json"):
        return altered(good, at / "b", kind)
    if kind == "golden answers":
        shutil.copytree(good, at / "b")
        golden = json.loads((at / "b" / "golden.json").read_text())
        golden["actions"][3][0] += 0.01
        text = json.dumps(golden)
        (at / "b" / "golden.json").write_text(text)
        manifest = json.loads((at / "b" / "manifest.json").read_text())
        manifest["checksums"]["golden.json"] = hashlib.sha256(text.encode()).hexdigest()
        (at / "b" / "manifest.json").write_text(json.dumps(manifest))
        return at / "b"
    if kind == "segments":
        forecast = preset_forecast()
        named = tuple(reversed(forecast.segments))
        return write_controller_bundle(at / "b", forecast=replace(forecast, segments=named))
    if kind == "sources":
        forecast = preset_forecast()
        return write_controller_bundle(at / "b", forecast=replace(forecast, source_share=np.full(400, 1 / 400)))
    if kind == "publishers":
        forecast = preset_forecast()
        many = replace(forecast, source_share=np.full(400, 1 / 400))
        return write_controller_bundle(at / "b", forecast=many, publishers=True)
    if kind == "no conversions":  # a campaign that prefers them cannot be planned
        forecast = preset_forecast()
        value = forecast.landscape.value * np.array([1.0, 1.0, 0.0])
        none = replace(forecast, landscape=replace(forecast.landscape, value=value))
        campaign = Campaign(budget=50.0, preference=(0.5, 0.5, 0.0))
        return write_controller_bundle(at / "b", forecast=none, campaign=campaign)
    if kind == "null byte":
        return Path("a\x00b")
    return bundles["slots"] if kind == "slots" else at / kind


KINDS = [
    "forecast.npz", "golden.json", "manifest.json", "golden answers", "segments", "sources", "publishers",
    "no conversions", "slots", "nowhere", "null byte",
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_bundle_that_fails_its_checks_leaves_the_old_one(
    opened: Open, bundles: dict[str, Path], tmp_path: Path, kind: str
) -> None:
    desk = opened()
    desk.trade()
    app, admin = applications(desk.bidder, desk.config, "http://x")
    token = (desk.config.state / "admin.token").read_text()
    bidder = desk.bidder
    before = (bidder.bundle, bidder.desk, desk.day._pilot, desk.day.decision, money(bidder), desk.swap.path)
    folder = bad_bundle(kind, bundles, tmp_path)
    status, answer = ask(admin, "/admin/bundle", {"path": str(folder)}, token=token)
    assert status == 400
    assert len(answer["error"]) > 20
    assert (bidder.bundle, bidder.desk, desk.day._pilot, desk.day.decision, money(bidder), desk.swap.path) == before
    assert desk.day.successor is None
    with pytest.raises((InvalidBundle, BundleMismatch)):
        desk.swap.load(folder)
    desk.slot(1)
    assert running(desk) == load_bundle(bundles["mpc"]).digest
    assert ask(app).status == 200
    # and what failed stands in nobody's way
    assert ask(admin, "/admin/bundle", {"path": str(bundles["pid"])}, token=token).status == 202


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b'{"path": 1}', b'{"path": null}', b'{"path": "x", "y": 1}', b"\xff"]
)
def test_what_names_no_folder_is_answered_400(opened: Open, body: bytes) -> None:
    desk = opened()
    _, admin = applications(desk.bidder, desk.config, "http://x")
    token = (desk.config.state / "admin.token").read_text()
    assert ask(admin, "/admin/bundle", body, token=token).status == 400
    assert ask(admin, "/admin/bundle", body).status == 401
    assert ask(admin, "/admin/bundle", body, token=token, method="PUT").status == 405


# --- beside a loop that bids ---------------------------------------------------------------------


def administration(desk: Desk) -> tuple[AdminApp, str]:
    _, admin = applications(desk.bidder, desk.config, "http://x")
    return admin, (desk.config.state / "admin.token").read_text()


def test_administration_and_metrics_tell_which_decides(opened: Open, bundles: dict[str, Path]) -> None:
    desk = opened()
    admin, token = administration(desk)
    old, new = (load_bundle(bundles[name]).digest for name in ("mpc", "pid"))

    def told() -> tuple[dict[str, Any], str, list[str]]:
        state = ask(admin, "/admin/bundle", {}, token=token, method="GET").body
        campaign = ask(admin, "/admin/campaigns", {}, token=token, method="GET").body["default"]["bundle"]
        lines = admin.metrics.text().decode().splitlines()
        return state, campaign, [line for line in lines if line.startswith("bidpilot_bundle_info")]

    def info(digest: str) -> list[str]:
        return [f'bidpilot_bundle_info{{digest="{digest}",run="0"}} 1.0']

    state, campaign, lines = told()
    assert (state["live"]["digest"], state["coming"], campaign, lines) == (old, None, old, info(old))
    status, found = ask(admin, "/admin/bundle", {"path": str(bundles["pid"])}, token=token)
    assert (status, found["prepared"], found["from_slot"]) == (202, True, 1)
    state, campaign, lines = told()
    assert (state["live"]["digest"], state["coming"]["digest"], campaign, lines) == (old, new, old, info(old))
    desk.slot(1)
    state, campaign, lines = told()
    assert (state["live"]["digest"], state["coming"], campaign, lines) == (new, None, new, info(new))


def test_slots_are_played_again_beside_the_loop_and_again_where_one_ends_meanwhile(
    opened: Open, bundles: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = opened()
    for slot in range(4):
        desk.slot(slot)
        desk.trade(seed=slot)
    threads: list[threading.Thread] = []
    prepared: list[int] = []
    loops: list[asyncio.AbstractEventLoop] = []

    def note(day: CampaignDay, *rest: Any) -> Successor:
        threads.append(threading.current_thread())
        found = prepare(day, *rest)
        prepared.append(found.pilot.slot)
        if len(prepared) < 3:  # the slot ends just now
            loops[0].call_soon_threadsafe(desk.slot, found.pilot.slot + 1)
            time.sleep(0.05)
        return found

    monkeypatch.setattr("bidpilot.serving.swap.prepare", note)

    async def main() -> dict[str, Any]:
        loops.append(asyncio.get_running_loop())
        return await desk.swap.begin(bundles["pid"])

    found = asyncio.run(main())
    assert prepared == [3, 4, 5]
    assert (found["prepared"], found["from_slot"]) == (True, 6)
    assert threading.main_thread() not in threads
    assert running(desk) != load_bundle(bundles["pid"]).digest
    desk.slot(6)
    assert running(desk) == load_bundle(bundles["pid"]).digest


def test_one_bundle_is_prepared_at_a_time(opened: Open, bundles: dict[str, Path]) -> None:
    desk = opened()

    async def main() -> None:
        first = asyncio.create_task(desk.swap.begin(bundles["pid"]))
        await asyncio.sleep(0)
        with pytest.raises(InvalidServing, match="being prepared"):
            await desk.swap.begin(bundles["plan"])
        assert (await first)["prepared"]

    asyncio.run(main())
    assert desk.swap.path == bundles["pid"]


def test_a_campaign_that_cannot_be_played_again_goes_on_as_it_is(
    opened: Open, bundles: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = opened()
    desk.bidder.put(ServedCampaign(name="other", campaign=Campaign(budget=10.0)))

    def fail(day: CampaignDay, *rest: Any) -> Successor:
        if day.served.name == "other":
            raise RuntimeError("no luck")
        return prepare(day, *rest)

    monkeypatch.setattr("bidpilot.serving.swap.prepare", fail)
    found = asyncio.run(desk.swap.begin(bundles["pid"]))
    assert not found["prepared"]
    desk.slot(1)
    digests = {name: day.desk.origin.digest for name, day in desk.bidder.days.items()}
    assert digests == {"default": load_bundle(bundles["pid"]).digest, "other": load_bundle(bundles["mpc"]).digest}
    desk.clock.move(START + DAY)
    desk.bidder.tick()
    assert {day.desk.origin for day in desk.bidder.days.values()} == {Origin.of(load_bundle(bundles["pid"]))}


def test_a_server_swaps_by_request_and_by_signal_and_loses_no_request(bundles: dict[str, Path], tmp_path: Path) -> None:
    live = tmp_path / "live"
    shutil.copytree(bundles["mpc"], live)
    statuses: list[int] = []
    stop = threading.Event()

    def ask_all_the_time(server: Served) -> None:
        with server.client() as client:
            while not stop.is_set():
                status, answer = client.bid()
                statuses.append(status)
                if status == 200:
                    statuses.append(client.notice(only_bid(answer)["lurl"]))

    with Served(live, tmp_path / "state", "--clock", "manual") as server, server.administrator() as admin:
        thread = threading.Thread(target=ask_all_the_time, args=(server,))
        thread.start()
        try:
            for slot in range(20):
                assert admin.send("POST", "/admin/clock", {"now": START + slot * SLOT})[0] == 200
            shutil.rmtree(live)
            shutil.copytree(bundles["pid"], live)
            server.process.send_signal(signal.SIGHUP)  # the same path, and what is in it now
            begun = time.monotonic()
            while admin.send("GET", "/admin/bundle")[1]["coming"] is None:
                assert time.monotonic() - begun < 10
                time.sleep(0.02)
            assert admin.send("GET", "/admin/bundle")[1]["coming"]["digest"] == load_bundle(bundles["pid"]).digest
            status, found = admin.send("POST", "/admin/bundle", {"path": str(bundles["dear"])})
            while status == 400:  # the other one is still being prepared
                status, found = admin.send("POST", "/admin/bundle", {"path": str(bundles["dear"])})
            assert (status, found["from_slot"]) == (202, 20)
            assert admin.send("POST", "/admin/bundle", {"path": str(bundles["slots"])})[0] == 400
            admin.send("POST", "/admin/clock", {"now": START + 20 * SLOT})
            assert admin.send("GET", "/admin/bundle")[1]["live"]["digest"] == load_bundle(bundles["dear"]).digest
        finally:
            stop.set()
            thread.join()
        assert server.stop() == 0
    assert len(statuses) > 100
    assert set(statuses) <= {200, 204}


def test_forecast_of_tests_have_the_slots_that_they_say(bundles: dict[str, Path]) -> None:
    def slots(name: str) -> int:
        found: Forecast = load_bundle(bundles[name]).forecast
        return found.slots

    assert (slots("mpc"), slots("slots")) == (48, 24)
