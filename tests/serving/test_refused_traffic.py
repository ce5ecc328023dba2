"""The gate by source in the bidder: what is refused, counted, logged and told; the environment does the same."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pytest

from bidpilot.agents.acting.agent import AgentDay, controller_agent
from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.day.slot_totals import SlotTotals
from bidpilot.bidding.errors import InvalidGate, InvalidServing
from bidpilot.bidding.event import Event
from bidpilot.bidding.plan.planner import Planner
from bidpilot.bidding.traffic.detector import Detector, detector_for
from bidpilot.bidding.traffic.refusal import Refusal
from bidpilot.envs import seeding
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.clearing.auction import INTERACTED_STREAM, VIEW_STREAM, arrives, uniform_hash
from bidpilot.envs.clearing.day import materialise
from bidpilot.envs.clearing.settle import EVENT_PROBABILITY
from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.envs.logs.day_batch import INVALID_VIEWS, DayBatch
from bidpilot.envs.markets.defaults import preset_campaign, preset_forecast, synthetic_market
from bidpilot.envs.markets.presets import INVALID, PERSISTENT
from bidpilot.envs.markets.recorded.replay import RecordedMarket
from bidpilot.envs.synthetic import SyntheticMarket
from bidpilot.envs.synthetic.config import SyntheticConfig
from bidpilot.serving import build, told
from bidpilot.serving.auction import Bid, NoBid, Opportunity
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import DAY, ManualClock
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.exchange_app import ExchangeApp
from bidpilot.serving.explaining import explained
from bidpilot.serving.guardrails import EventLog
from bidpilot.serving.ledger.store import MICRO
from bidpilot.serving.messages import App, BidRequest, Imp, Publisher, Site
from bidpilot.serving.openrtb import NOBODY
from bidpilot.serving.pilot import Pilot
from bidpilot.serving.reading.request import read_request
from bidpilot.serving.served import ServedCampaign
from bidpilot.serving.server import applications
from tests.serving.conftest import recorded_day, write_controller_bundle
from tests.serving.doors import Given
from tests.serving.served import imp, request
from tests.serving.test_bidder import made, replay
from tests.serving.traffic import Growing, Open, Told, Turns

VALUE = (0.6, 0.2, 0.004)
SLOT = DAY / 48
SOURCES = build.clusters(ServeConfig(bundle=Path("b")), preset_forecast()) + 1

Opened = Callable[..., Bidder]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(20_000 * DAY)


@pytest.fixture
def opened(
    bundle_folder: Path, tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Opened]:
    """Opens a bidder whose pilots have filters of the kinds given, in turn, and of the last one from there on."""
    bidders: list[Bidder] = []

    def made_(*kinds: type[Told], state: str = "s", **config: Any) -> Bidder:
        monkeypatch.setattr(build, "SourceBook", lambda bundle, sources, *_: Turns(sources, *kinds))
        bidder = open_bidder(ServeConfig(**{"bundle": bundle_folder, "state": tmp_path / state} | config), clock)
        bidders.append(bidder)
        return bidder

    yield made_
    for bidder in bidders:
        bidder.close()


def of(source: int, test: bool = False) -> Opportunity:
    return Opportunity(VALUE, 0, source, test=test)


def slots(bidder: Bidder) -> dict[int, SlotTotals]:
    """The totals of the slots that have passed."""
    day = bidder.days["default"]
    return bidder.desk.state.slots(day.account, SlotTotals.zeros(1, 8, bidder.desk.sources))


def test_requests_are_refused_by_source_and_beyond_the_quota(opened: Opened, clock: ManualClock) -> None:
    bidder = opened(Told)
    assert bidder.bid(of(2)) == NoBid("refused_source")
    answers = [bidder.bid(of(5)) for _ in range(5)]
    assert [isinstance(a, Bid) for a in answers] == [True, True, True, False, False]
    assert answers[-1] == NoBid("refused_quota")
    made(bidder.bid(of(0)))
    assert bidder.reasons == {"refused_source": 1, "refused_quota": 2}
    assert bidder.refused == {("default", Refusal.source): 1, ("default", Refusal.quota): 2}
    assert bidder.auctions == 7
    clock.move(clock() + SLOT)
    bidder.tick()
    assert isinstance(bidder.bid(of(5)), Bid)  # every slot has a quota of its own
    totals = slots(bidder)[0]
    assert totals.auctions[0] == 4
    assert totals.source_auctions[0, [0, 1, 2, 5]].tolist() == [1, 0, 1, 5]
    assert totals.source_refused[0, [0, 1, 2, 5]].tolist() == [0, 0, 1, 2]
    statistics = bidder.days["default"]._pilot._statistics
    assert (statistics.requests[1, 0], statistics.refused[1, 0]) == (7, 3)


def test_a_doubted_source_is_bid_on_at_a_part_of_its_value(opened: Opened) -> None:
    bidder = opened(Told)
    full, half = (made(bidder.bid(of(source))).amount for source in (0, 1))
    assert half == pytest.approx(full / 2, abs=1)


def test_without_the_filter_nothing_is_refused_or_counted_by_source(opened: Opened, clock: ManualClock) -> None:
    bidder = opened(Told, traffic_filter=False)
    assert bidder.desk.book is None
    for source in (2, 5, 5, 5, 5):
        made(bidder.bid(of(source)))
    clock.move(clock() + SLOT)
    bidder.tick()
    assert slots(bidder)[0].auctions[0] == 5
    assert not slots(bidder)[0].source_auctions.any()
    assert bidder.explain(of(2))["default"]["source"] == {"cluster": 2}


def test_tests_and_explanations_are_refused_alike_and_use_nothing_up(opened: Opened) -> None:
    bidder = opened(Told)
    for _ in range(5):
        assert bidder.bid(of(2, test=True)) == NoBid("refused_source")
        made(bidder.bid(of(5, test=True)))
        assert bidder.explain(of(5))["default"]["reason"] == ""
    assert not bidder.refused
    for _ in range(3):
        made(bidder.bid(of(5)))
    assert bidder.bid(of(5, test=True)) == NoBid("refused_quota")
    parts = bidder.explain(of(5))["default"]
    assert parts["source"] == {"cluster": 5, "quota": 3, "requests": 3, "refused": 0}
    assert (parts["source_multiplier"], parts["offered"], parts["reason"]) == (1.0, 0.0, "refused_quota")
    assert bidder.explain(of(1))["default"]["source_multiplier"] == 0.5
    assert bidder.explain(of(0))["default"]["source"]["quota"] is None


def test_an_explanation_says_since_when_a_source_is_refused_why_and_what_would_clear_it(
    bundle_folder: Path, tmp_path: Path, clock: ManualClock
) -> None:
    with open_bidder(ServeConfig(bundle=bundle_folder, state=tmp_path), clock) as bidder:
        assert bidder.explain(of(2))["default"]["source"]["status"] == "open"
        detector = bidder.days["default"].filter
        assert isinstance(detector, Detector)
        detector.outcomes.odds[0, 2] = 5.0
        detector._refused_since[0, 2] = 7
        source = bidder.explain(of(2))["default"]["source"]
        assert (source["status"], source["since"], source["probability"]) == (
            "refused",
            7,
            pytest.approx(0.993, abs=1e-3),
        )
        assert source["why"] == "0 views where 0 were expected, 0 interactions where 0 were"
        assert source["would_clear"].startswith("views as many")
        assert json.dumps(source)


def test_several_bidders_share_a_quota(opened: Opened, clock: ManualClock) -> None:
    """Of three requests each of two bidders may take two; what they refused stands for both."""
    bidder = opened(Told, bidders=2)
    answers = [bidder.bid(of(5)) for _ in range(4)]
    assert [isinstance(a, Bid) for a in answers] == [True, True, False, False]
    clock.move(clock() + SLOT)
    bidder.tick()
    totals = slots(bidder)[0]
    assert (totals.source_auctions[0, 5], totals.source_refused[0, 5], totals.auctions[0]) == (8, 4, 4)


def test_each_campaign_has_a_gate_of_its_own(opened: Opened, tmp_path: Path) -> None:
    """`default` refuses source 2, `open` bids: the price that becomes known is of an auction that `open` alone saw."""
    bidder = opened(Told, Open, decisions=tmp_path / "d")
    bidder.put(ServedCampaign(name="open", campaign=preset_campaign()))
    answer = made(bidder.bid(of(2)))
    assert answer.campaign.name == "open"
    bidder.loss(answer.ticket, 1.0)
    assert [bidder.days[name].collector._priced for name in ("default", "open")] == [0, 1]
    assert [bidder.days[name].collector.auctions for name in ("default", "open")] == [0, 1]
    answer = made(bidder.bid(of(0)))
    bidder.loss(answer.ticket, 1.0)
    assert [bidder.days[name].collector._priced for name in ("default", "open")] == [1, 2]
    assert bidder.refused == {("default", Refusal.source): 1}
    assert not bidder.reasons
    bidder.decisions.close()  # type: ignore[union-attr]
    rows = pl.read_parquet(tmp_path / "d" / "decisions-*.parquet").select("campaign", "source", "result").rows()
    assert ("default", 2, "refused_source") in rows
    assert ("open", 2, "lost") in rows
    assert len(rows) == 3


def test_refusals_are_logged_each_for_its_reason(opened: Opened, tmp_path: Path) -> None:
    bidder = opened(Told, decisions=tmp_path / "d")
    bidder.kill(True)
    for source in (2, 0, 5, 5, 5, 5):
        assert bidder.bid(of(source)) == NoBid("kill_switch")
    bidder.bid(of(2, test=True))
    bidder.decisions.close()  # type: ignore[union-attr]
    rows = pl.read_parquet(tmp_path / "d" / "decisions-*.parquet")
    assert rows["result"].to_list() == ["refused_source", *["kill_switch"] * 4, "refused_quota"]
    assert rows["source"].to_list() == [2, 0, 5, 5, 5, 5]
    assert rows["bid"].to_list() == [0.0] * 6


def test_a_restart_finds_the_gate_as_it_was(opened: Opened, clock: ManualClock) -> None:
    bidder = opened(Growing)
    for sent in (3, 7, 2):
        for _ in range(sent):
            bidder.bid(of(4))
        bidder.bid(of(0))
        clock.move(clock() + SLOT)
        bidder.tick()
    before = bidder.days["default"].decision.rule.gate
    bidder.close()
    after = opened(Growing).days["default"].decision.rule.gate
    assert before is not None
    assert after is not None
    assert before.quota[0, [0, 1, 4]].tolist() == [8.0, 5.0, 17.0]
    np.testing.assert_array_equal(before.quota, after.quota)


@pytest.mark.parametrize("killed", [False, True])
def test_no_restart_renews_the_quota_of_a_source(
    opened: Opened, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, killed: bool
) -> None:
    """Of the quota of 5 four are used when the process ends; one that is killed keeps nothing at its end."""
    bidder = opened(Growing)
    for _ in range(4):
        assert isinstance(bidder.bid(of(4)), Bid)
    if killed:
        clock.move(clock() + 5.0)
        bidder.tick()
        monkeypatch.setattr(bidder._days, "_keep", lambda now: None)
    bidder.close()
    again = opened(Growing)
    assert again.days["default"].gate is not None
    answers = [again.bid(of(4)) for _ in range(3)]
    assert [isinstance(answer, Bid) for answer in answers] == [True, False, False]
    assert answers[1] == NoBid("refused_quota")
    assert again.explain(of(4))["default"]["source"]["requests"] == 7
    assert again.days["default"].collector.totals().source_auctions[0, 4] == 3  # its own slot's counts are what it saw
    clock.move(clock() + SLOT)
    again.tick()
    assert isinstance(again.bid(of(4)), Bid)  # a slot later the quota is another


def test_what_is_told_late_reaches_the_filters_of_policy_and_shadow(
    opened: Opened, clock: ManualClock, tmp_path: Path
) -> None:
    bidder = opened(Growing, shadow=write_controller_bundle(tmp_path / "shadow", "plan"))
    ticket = made(bidder.bid(of(4))).ticket
    clock.move(clock() + SLOT)
    bidder.tick()
    bidder.bill(ticket, 0.001)
    clock.move(clock() + SLOT)
    bidder.tick()
    day = bidder.days["default"]
    for decision in (day.decision, day.pilots.shadow_decision):
        assert decision is not None
        assert decision.rule.gate is not None
        assert decision.rule.gate.quota[0, 4] == 7.0  # 5, one request, one win


def test_a_shadow_does_not_bid_on_what_its_gate_refuses(opened: Opened, tmp_path: Path) -> None:
    bidder = opened(Told, shadow=write_controller_bundle(tmp_path / "shadow", "plan"))
    day = bidder.days["default"]
    full = day.shadow_bid(VALUE, 0, 0, False)
    assert full is not None
    assert day.shadow_bid(VALUE, 0, 1, False) == pytest.approx(full / 2)
    assert day.shadow_bid(VALUE, 0, 2, False) == 0.0


def test_a_slot_that_nobody_watched_says_nothing_of_sources(opened: Opened, clock: ManualClock) -> None:
    clock.move(clock() + 2 * SLOT)
    gate = opened(Growing).days["default"].decision.rule.gate
    assert gate is not None
    assert set(gate.quota[0].tolist()) == {5.0}


def test_a_gate_of_other_sources_is_refused_before_anything_is_bid() -> None:
    events = EventLog(ManualClock())
    pilot = Pilot(Planner(preset_forecast()), preset_campaign(), controller_agent("mpc"), 8, events, traffic=Told(7))
    with pytest.raises(InvalidGate, match=r"\(1, 7\).*the pool"):
        pilot.begin()
    pilot.close()


@pytest.mark.parametrize("source", [-1, SOURCES])
def test_a_source_that_is_not_told_apart_is_a_named_error(opened: Opened, source: int) -> None:
    with pytest.raises(InvalidServing, match=f"source {source}"):
        opened(Told).bid(of(source))


# --- the way in ----------------------------------------------------------------------------------


def send(app: ExchangeApp, publisher: str | None, *imps: Any, **fields: Any) -> None:
    body = request(*imps) | ({} if publisher is None else {"site": {"publisher": {"id": publisher}}}) | fields

    async def read(most: int, seconds: float) -> bytes:
        return json.dumps(body).encode()

    asyncio.run(app(Given("POST", "/openrtb2/bid", "", None, read)))


def unhinted(name: str) -> dict[str, Any]:
    """An impression that does not name its source."""
    plain = imp(name)
    plain["ext"]["bidpilot"].pop("source", None)
    return plain


def test_publishers_leave_the_pool_and_metrics_tell_who_is_in_it(opened: Opened) -> None:
    bidder = opened(Told)
    app, admin = applications(bidder, ServeConfig(bundle=Path("b"), state=bidder_state(bidder)), "http://x")
    pool, sources = bidder.desk.sources - 1, app.reader.sources
    assert sources.pool == pool
    for _ in range(2):  # a request of three impressions is one meeting; a test and a question are none
        send(app, "pub", unhinted("a"), unhinted("b"), unhinted("c"))
        send(app, "pub", unhinted("a"), test=1)
        asked = json.dumps(request(unhinted("a")) | {"site": {"publisher": {"id": "pub"}}}).encode()
        explained(bidder, admin.reader, "bidpilot", read_request(asked, Counter()), NOBODY)
    gate = bidder.days["default"].gate
    assert gate is not None
    assert gate.requests[pool] == 6
    send(app, "pub", unhinted("a"))
    assert gate.requests[pool] == 6
    assert sum(gate.requests) == 7
    send(app, None, unhinted("a"))
    send(app, "x" * 300, unhinted("a"))
    assert gate.requests[pool] == 8
    send(app, None, imp("a", source=pool + 2))  # a hint is a cluster, modulo their number
    assert gate.requests[2] == 1
    text = admin.metrics.text().decode()
    for line in (
        'bidpilot_pooled_total{cause="missing"} 1.0',
        'bidpilot_pooled_total{cause="new"} 2.0',
        'bidpilot_pooled_total{cause="too_long"} 1.0',
        'bidpilot_refused_traffic_total{campaign="default",reason="refused_source"} 1.0',
        'bidpilot_no_bids_total{reason="refused_source"} 1.0',
    ):
        assert line in text


def bidder_state(bidder: Bidder) -> Path:
    """Any folder: secrets are made there."""
    return Path(bidder.desk.state._db.execute("PRAGMA database_list").fetchone()[2]).parent


def test_an_app_has_a_publisher_as_a_site_has(opened: Opened) -> None:
    bidder = opened(Told)
    app, _ = applications(bidder, ServeConfig(bundle=Path("b"), state=bidder_state(bidder)), "http://x")
    publisher = Publisher("pub")
    asked = [BidRequest("r", [Imp("1")], site=Site(publisher)), BidRequest("r", [Imp("1")], app=App(publisher))]
    for _ in range(3):
        app.reader.sources.meet("pub")
    found = {app.reader._source(r, r.imp[0], None, counted=False) for r in asked}
    assert len(found) == 1
    assert found != {app.reader.sources.pool}


def test_clusters_are_the_forecasts_or_else_the_configurations() -> None:
    config, forecast = ServeConfig(bundle=Path("b"), sources=12), preset_forecast()
    assert build.clusters(config, replace(forecast, source_share=None)) == 12
    assert build.clusters(config, replace(forecast, source_share=np.full(7, 1 / 7))) == 12
    assert build.clusters(config, replace(forecast, source_share=np.full(13, 1 / 13))) == 12  # the last is the pool
    more = replace(forecast, source_share=np.full(14, 1 / 14))
    assert build.clusters(config, more) == 14
    with pytest.raises(InvalidServing, match=r"tells 13 clusters of publishers apart.*--sources 13"):
        build.clusters(config, more, publishers=True)
    assert build.clusters(config.model_copy(update={"traffic_filter": False}), more, publishers=True) == 14


# --- parity --------------------------------------------------------------------------------------


def thinned(log: AuctionLog, keep: int) -> AuctionLog:
    """Every `keep`-th auction of a log."""
    columns = {f.name: getattr(log, f.name) for f in fields(log) if np.shape(getattr(log, f.name)) == (log.n,)}
    kept: dict[str, Any] = {name: np.ascontiguousarray(column[::keep]) for name, column in columns.items()}
    return replace(log, **kept, offsets=-(-log.offsets // keep))


def test_a_replayed_day_refuses_what_the_environment_refuses(
    tmp_path: Path, memory: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slot by slot and source by source: requests, refusals, arrivals, what was requested, and the money at the end."""
    log, forecast, campaign = thinned(recorded_day(4), 5), preset_forecast(), preset_campaign()
    market = RecordedMarket(log, forecast.level_slots)
    days = market.recorded([0])
    episode = Episode(market, forecast, 1)
    seen = episode.begin(days, CampaignBatch.repeat(campaign, 1, days.budget), traffic=Told(log.sources))
    acting = AgentDay(controller_agent("mpc"), 1, episode.segments)
    counted = ("source_auctions", "source_refused", "auctions", "segment_auctions", "requested", "source_exposed")
    expected: list[dict[str, np.ndarray]] = []
    for _ in range(episode.slots):
        seen = episode.play(acting.act(seen))
        expected.append({name: getattr(episode.totals, name)[0].copy() for name in counted})
    monkeypatch.setattr(build, "SourceBook", lambda bundle, sources, *_: Turns(sources, Told))
    folder = write_controller_bundle(tmp_path / "b", "mpc")
    with open_bidder(ServeConfig(bundle=folder, state=memory), clock) as bidder:
        spend, kpi = replay(bidder, log, clock)
        day = bidder.days["default"]
        got = slots(bidder) | {day.slot: day.collector.totals()}
    assert len(got) == episode.slots
    for slot, environment in enumerate(expected):
        served = {name: getattr(got[slot], name)[0] for name in counted}
        for name in ("source_auctions", "source_refused"):
            np.testing.assert_array_equal(served[name][: log.sources], environment[name], err_msg=f"{name} {slot}")
            assert not served[name][log.sources :].any()
        for name in ("auctions", "segment_auctions"):
            np.testing.assert_array_equal(served[name], environment[name])
        np.testing.assert_allclose(served["requested"], environment["requested"], rtol=1e-5)
    refused = np.sum([e["source_refused"] for e in expected], axis=0)
    assert refused[2] > 0 < refused[5]
    assert refused.sum() == refused[[2, 5]].sum()
    exposed = np.sum([totals.source_exposed[0, : log.sources] for totals in got.values()], axis=0)
    np.testing.assert_allclose(exposed, np.sum([e["source_exposed"] for e in expected], axis=0), rtol=0.02)
    assert spend == pytest.approx(campaign.budget - float(episode.left[0]), rel=1e-3)
    np.testing.assert_allclose(kpi, episode.statistics.predicted[-1, 0], rtol=1e-3)


class Arrival(NamedTuple):
    """One auction of a drawn day, with what a win of it brings."""

    slot: int
    opportunity: Opportunity
    price: float  # currency
    brings: list[Event]


def arrivals(market: SyntheticMarket, days: DayBatch) -> list[Arrival]:
    """The auctions of a batch's first day in order, outcomes by the draws that the kernel takes them from.

    Of days whose bots bring no interactions, and whose sources all arrive and are tracked.
    """
    log, salt, day = market.log, days.salt[0], materialise(market, days, 0)
    index = [
        i
        for t in range(market.slots)
        for i in range(days.start[0, t], days.start[0, t] + days.count[0, t])
        if arrives(i, salt, days.keep, 0, t, log.segment[i])
    ]
    assert len(index) == len(day.slot)
    found = []
    for n, i in enumerate(index):
        playing = log.true_exposure[i] * np.float32(INVALID_VIEWS if day.invalid[n] else 1.0)
        brings: list[Event] = ["view"] if uniform_hash(i, salt, VIEW_STREAM) < playing else []
        if not day.invalid[n] and uniform_hash(i, salt, INTERACTED_STREAM) < EVENT_PROBABILITY:
            brings.append("like")  # of whatever kind
        value = (float(day.predicted[n, 0]), float(day.predicted[n, 1]), float(day.predicted[n, 2]))
        opportunity = Opportunity(value, int(day.segment[n]), int(day.source[n]))
        found.append(Arrival(int(day.slot[n]), opportunity, float(day.price[n]), brings))
    return found


def play(bidder: Bidder, day: list[Arrival], slots: int, clock: ManualClock) -> None:
    """Offer a day auction by auction; what is won is billed, and what it brought is told, before the next one."""
    start = clock()
    for slot, auctions in groupby(day, key=lambda a: a.slot):
        clock.move(start + slot * DAY / slots)
        bidder.tick()
        for a in auctions:
            answer = bidder.bid(a.opportunity)
            if isinstance(answer, NoBid):
                continue
            if answer.amount / MICRO < a.price:
                bidder.loss(answer.ticket, a.price)
                continue
            bidder.win(answer.ticket, a.price, a.price)
            bidder.bill(answer.ticket, a.price, a.price)
            for event in a.brings:
                bidder.outcome(answer.ticket, told.Told(event))


@pytest.mark.parametrize(
    ("config", "seed", "why", "least"), [(INVALID, 3, Refusal.quota, 500), (PERSISTENT, 0, Refusal.source, 50)]
)
def test_the_servers_detector_refuses_what_the_environments_does(
    config: SyntheticConfig, seed: int, why: Refusal, least: int, tmp_path: Path, memory: Path, clock: ManualClock
) -> None:
    """A drawn day with a burst, or with bad sources: by slot and source the same requests, refusals, wins, outcomes."""
    market, forecast, campaign = synthetic_market(config, seeding.LOG_HELD_OUT, 0), preset_forecast(), preset_campaign()
    days = market.days(seeding.stream(seeding.VALIDATION, seed).random((1, market.draws)))
    episode, sources = Episode(market, forecast, 1), market.log.sources
    seen = episode.begin(days, CampaignBatch.repeat(campaign, 1, days.budget), traffic=detector_for(forecast, 1))
    acting = AgentDay(controller_agent("mpc"), 1, episode.segments)
    counted = ("source_auctions", "source_refused", "source_wins", "source_views", "source_events")
    expected: list[dict[str, np.ndarray]] = []
    for _ in range(episode.slots):
        seen = episode.play(acting.act(seen))
        expected.append({name: getattr(episode.totals, name)[0].copy() for name in counted})
    folder = write_controller_bundle(tmp_path / "b", publishers=True)
    with open_bidder(ServeConfig(bundle=folder, state=memory, sources=sources), clock) as bidder:
        play(bidder, arrivals(market, days), episode.slots, clock)
        day = bidder.days["default"]
        got = slots(bidder) | {day.slot: day.collector.totals()}
        refused = {reason: bidder.refused["default", reason] for reason in Refusal}
    for slot, environment in enumerate(expected):
        for name in counted:
            served = getattr(got[slot], name)[0]
            np.testing.assert_array_equal(served[:sources], environment[name], err_msg=f"{name} {slot}")
            assert served[sources:].tolist() == [0]  # the pool: nobody's
    by_slot = np.array([environment["source_refused"].sum() for environment in expected])
    assert refused[why] == by_slot.sum() >= least
    assert config is PERSISTENT or by_slot[days.invalid_share[0] > config.invalid_rate].sum() == by_slot.sum()
