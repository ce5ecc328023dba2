"""The in-process bidder: the rule, two campaigns of one owner, tests that cost nothing, days in turn."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidpilot.agents.acting.agent import AgentDay, controller_agent
from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.profile import FunnelWeights
from bidpilot.bidding.day.features import POSITION
from bidpilot.bidding.errors import InvalidServing
from bidpilot.bidding.landscape import shading
from bidpilot.bidding.plan.planner import Planner
from bidpilot.bidding.rule import Rule, price
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.envs.markets.defaults import preset_campaign, preset_forecast
from bidpilot.envs.markets.recorded.replay import RecordedMarket
from bidpilot.serving.auction import Bid, NoBid, Opportunity
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import DAY, ManualClock
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.guardrails import Cause, GuardrailConfig, limit_step
from bidpilot.serving.ledger.store import MICRO, Booked
from bidpilot.serving.notices import Ticket, Unread
from bidpilot.serving.pricer import Pricer, ShadingTable
from bidpilot.serving.served import ServedCampaign
from bidpilot.serving.told import Told
from tests.serving.conftest import recorded_day, write_controller_bundle

VALUE = (0.6, 0.2, 0.004)
SHADE = ShadingTable(Planner(preset_forecast()))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(20_000 * DAY)


@pytest.fixture
def bidder(bundle_folder: Path, tmp_path: Path, clock: ManualClock) -> Iterator[Bidder]:
    with open_bidder(ServeConfig(bundle=bundle_folder, state=tmp_path), clock) as made:
        yield made


def made(answer: Bid | NoBid) -> Bid:
    assert isinstance(answer, Bid), answer
    return answer


numbers = st.floats(0, 10)


@given(
    alpha=st.tuples(numbers, numbers, numbers),
    multiplier=st.lists(numbers, min_size=8, max_size=8),
    beta=st.lists(numbers, min_size=8, max_size=8),
    value=st.tuples(numbers, numbers, numbers),
    segment=st.integers(0, 7),
)
def test_a_bid_is_the_rules(
    alpha: tuple[float, ...],
    multiplier: list[float],
    beta: list[float],
    value: tuple[float, float, float],
    segment: int,
) -> None:
    rule = Rule(np.array([alpha]), np.array([multiplier]), np.array([beta]))
    expected = price(rule, 0, np.array([value]), np.array([segment]))[0]
    pricer = Pricer(rule, np.inf, SHADE)
    assert pricer.bid(value, segment, 0, first_price=False) == pytest.approx(expected, rel=1e-12, abs=1e-300)
    parts = pricer.explain(value, segment, 0, first_price=False)
    assert sum(parts["terms"].values()) * parts["multiplier"] + parts["beta"] == pytest.approx(parts["bid"], rel=1e-9)


@given(octave=st.floats(-12, 12))
def test_first_price_is_shaded_as_in_the_plan(octave: float) -> None:
    planner = Planner(preset_forecast())
    unit = planner.forecast.landscape.mean_price
    expected = shading.shade(np.array([unit * 2.0**octave]), SHADE._planner.shading, unit)[0]
    assert SHADE(unit * 2.0**octave) == pytest.approx(expected, rel=1e-12)
    assert SHADE(unit * 2.0**octave) <= unit * 2.0**octave


def replay(bidder: Bidder, log: AuctionLog, clock: ManualClock) -> tuple[float, np.ndarray]:
    """Spend and predicted KPI of a day whose auctions come one after the other."""
    spend, kpi = 0.0, np.zeros(3)
    start = clock()
    assert log.interacted is not None
    assert log.converted is not None
    for slot in range(log.slots):
        clock.move(start + slot * DAY / log.slots)
        bidder.tick()
        for i in range(log.offsets[0, slot], log.offsets[0, slot + 1]):
            value = (float(log.exposure[i]), float(log.interaction[i]), float(log.conversion[i]))
            answer = bidder.bid(Opportunity(value, int(log.segment[i]), int(log.source[i])))
            market = float(log.market_price[i])
            if isinstance(answer, NoBid):
                continue
            if answer.amount / MICRO < market:
                bidder.loss(answer.ticket, market)
                continue
            bidder.win(answer.ticket, market, market)
            bidder.bill(answer.ticket, market, market)
            told = Told(interaction=float(log.interacted[i]), conversion=float(log.converted[i]))
            bidder.outcome(answer.ticket, told)
            spend += round(market * MICRO) / MICRO
            kpi += value
    return spend, kpi


@pytest.mark.parametrize("name", ["mpc", "pid"])
def test_a_replayed_day_ends_with_the_environments_spend_and_kpi(
    name: str, tmp_path: Path, memory: Path, clock: ManualClock
) -> None:
    log, forecast, campaign = recorded_day(1), preset_forecast(), preset_campaign()
    folder = write_controller_bundle(tmp_path / "b", name)
    market = RecordedMarket(log, forecast.level_slots)
    days = market.recorded([0])
    episode = Episode(market, forecast, 1)
    seen = episode.begin(days, CampaignBatch.repeat(campaign, 1, days.budget))
    agent = controller_agent(name)
    acting = AgentDay(agent, 1, episode.segments)
    for _ in range(episode.slots):
        seen = episode.play(acting.act(seen))
    patient = GuardrailConfig(patience=60.0)  # a busy machine is no fault of the policy
    with open_bidder(ServeConfig(bundle=folder, state=memory, guardrails=patient), clock) as bidder:
        spend, kpi = replay(bidder, log, clock)
        day = bidder.days["default"]
        assert day.wallet.state is not None
        events = bidder.event_counts()
    expected = campaign.budget - float(episode.left[0])
    assert expected > 0.5 * campaign.budget
    assert spend == pytest.approx(expected, rel=1e-3)
    np.testing.assert_allclose(kpi, episode.statistics.predicted[-1, 0], rtol=1e-3)
    assert not events, events


def test_two_campaigns_of_one_owner_do_not_bid_against_each_other(bidder: Bidder) -> None:
    rich = preset_campaign().model_copy(update={"budget": 400.0})
    bidder.put(ServedCampaign(name="rich", campaign=rich))
    offers = {n: d.pricer.bid(VALUE, 0, 0, False) for n, d in bidder.days.items()}
    assert offers["rich"] > offers["default"]
    answer = made(bidder.bid(Opportunity(VALUE, 0)))
    assert answer.campaign.name == "rich"
    assert bidder.days["default"].wallet.promised == 0
    assert {d.collector.auctions for d in bidder.days.values()} == {1}  # both saw it


def test_a_test_request_is_answered_but_costs_and_counts_nothing(bidder: Bidder) -> None:
    answer = made(bidder.bid(Opportunity(VALUE, 0, test=True)))
    day = bidder.days["default"]
    bidder.bill(answer.ticket, 0.0)
    bidder.win(answer.ticket, 1.0, 1.0)
    bidder.outcome(answer.ticket, Told(interaction=1.0, conversion=1.0))
    assert bidder.notices == {"test": 2, "win": 1}
    assert (day.wallet.promised, day.wallet.outstanding, day.collector.auctions) == (0, 0, 0)
    state = day.wallet.keeper.store.state(day.account)
    assert state is not None
    assert state.settled == 0


def billed(bidder: Bidder) -> Ticket:
    """The ticket of a bid that has won and is billed."""
    ticket = made(bidder.bid(Opportunity(VALUE, 0))).ticket
    bidder.bill(ticket, 0.001)
    return ticket


def events(bidder: Bidder) -> dict[str, int]:
    """What became of the events that were told."""
    return {name: count for name, count in bidder.notices.items() if name.startswith("event")}


def test_each_type_of_event_is_booked_once_for_a_bid_by_the_campaigns_weights(bidder: Bidder) -> None:
    weights = FunnelWeights(like=1.0, comment=0.0, share=7.0, follow=0.0, completion=0.5)
    bidder.put(ServedCampaign(name="default", campaign=preset_campaign(), weights=weights))
    one, other = billed(bidder), billed(bidder)
    for told in (Told("share", 2), Told("share", 2), Told("share", 1), Told("view"), Told("complete")):
        bidder.outcome(one, told)
    bidder.outcome(other, Told("share"))
    bidder.outcome(one, Told("convert", value=9.0))
    bidder.outcome(one, Told(interaction=3.0))
    bidder.outcome(one, Told(interaction=3.0))
    assert events(bidder) == {"event": 6, "event_repeated": 3}
    totals = bidder.days["default"].collector.totals()
    np.testing.assert_array_equal(totals.funnel, [[1, 1, 0, 0, 3, 0, 1]])
    np.testing.assert_allclose(totals.realised[0, 1:], [3 * 7.0 + 0.5 + 3.0, 1.0])


def test_an_event_before_its_bill_counts_when_that_comes(bidder: Bidder) -> None:
    ticket = made(bidder.bid(Opportunity(VALUE, 0))).ticket
    bidder.outcome(ticket, Told("view"))
    assert events(bidder) == {}
    bidder.bill(ticket, 0.001)
    bidder.outcome(ticket, Told("like"))
    assert events(bidder) == {"event": 2}
    assert bidder.days["default"].collector.totals().funnel.tolist() == [[1, 0, 1, 0, 0, 0, 0]]


def test_an_event_after_midnight_is_logged_and_counted_and_in_no_day_that_is_played(
    bundle_folder: Path, tmp_path: Path, clock: ManualClock
) -> None:
    """It is listened for until three days after the bid's money has run out, and then its memory goes too."""
    config = ServeConfig(bundle=bundle_folder, state=tmp_path, decisions=tmp_path / "d")
    with open_bidder(config, clock) as bidder:
        ticket = billed(bidder)
        bidder.outcome(ticket, Told("view"))
        clock.move(ticket.expires + 3 * DAY)
        bidder.tick()
        bidder.outcome(ticket, Told("view"))
        bidder.outcome(ticket, Told("share", 2))
        bidder.outcome(ticket, Told("share", 2))
        assert not bidder.days["default"].collector.totals().realised.any()
        clock.move(ticket.expires + 3 * DAY + 1)
        bidder.outcome(ticket, Told("follow"))
        clock.move(clock() + DAY)
        bidder.tick()
        assert len(bidder.booking._told) == 0
        bidder.outcome(ticket, Told("share", 2))
        assert events(bidder) == {"event": 1, "event_after_day": 1, "event_repeated": 2, "event_unheard": 2}
    rows = pl.read_parquet(tmp_path / "d" / "outcomes-*.parquet").sort("event")
    assert rows.rows() == [(ticket.key, "share", 2, None, 8.0, 0.0), (ticket.key, "view", 1, None, 0.0, 0.0)]


def test_an_event_of_a_campaign_that_is_not_served_is_not_taken(bidder: Bidder) -> None:
    ticket = msgspec.structs.replace(billed(bidder), account="gone@2024-10-04")
    bidder.outcome(ticket, Told("view"))
    assert events(bidder) == {"event_unheard": 1}


def test_a_bid_below_the_floor_is_not_made(bidder: Bidder) -> None:
    amount = made(bidder.bid(Opportunity(VALUE, 0))).amount / MICRO
    assert made(bidder.bid(Opportunity(VALUE, 0, floor=amount))).amount / MICRO == amount
    assert bidder.bid(Opportunity(VALUE, 0, floor=amount + 1e-6)) == NoBid("below_floor")


@pytest.mark.parametrize(
    ("of_bid", "told", "events"),
    [
        (1.0, "", 0),
        (1.009, "price_rounded", 0),
        (1.02, "price_above_bid", 1),
        (1e300, "price_above_bid", 1),
        (math.inf, "price_not_finite", 0),
        (math.nan, "price_not_finite", 0),
        (-1.0, "price_negative", 0),
        *((cause, cause.value, 0) for cause in Unread),
    ],
)
def test_a_bill_that_we_signed_is_booked_at_most_at_the_bid_and_what_is_odd_is_counted(
    bidder: Bidder, of_bid: float | Unread, told: str, events: int
) -> None:
    answer = made(bidder.bid(Opportunity(VALUE, 0)))
    price = of_bid if isinstance(of_bid, Unread) else of_bid * answer.amount / MICRO
    bidder.bill(answer.ticket, price)
    state = bidder.days["default"].wallet.state
    assert state is not None
    assert state.settled == answer.amount
    assert bidder.notices == {"settled": 1} | ({told: 1} if told else {})
    assert bidder.event_counts()[Cause.overpriced] == events
    assert bidder.days["default"].collector.totals().spend == pytest.approx(answer.amount / MICRO)


def test_a_price_that_cannot_be_read_is_no_market_price(bidder: Bidder) -> None:
    answer = made(bidder.bid(Opportunity(VALUE, 0)))
    record = bidder.days["default"].wallet.find(answer.ticket.key).record  # type: ignore[union-attr]
    bidder.bill(answer.ticket, Unread.unreplaced)
    assert record.market_price is None


@pytest.mark.parametrize("minutes", [2, 30, 23 * 60])
def test_a_win_that_was_told_holds_its_money_until_it_is_billed(
    bidder: Bidder, clock: ManualClock, minutes: int
) -> None:
    answer = made(bidder.bid(Opportunity(VALUE, 0)))
    bidder.win(answer.ticket)
    before, wallet = clock(), bidder._days.wallet(answer.ticket.account)
    assert wallet is not None
    for minute in range(0, minutes, 10):
        clock.move(before + minute * 60.0)
        bidder.tick()
    bidder.loss(answer.ticket)  # an exchange that says so after all frees nothing
    assert (wallet.promised, wallet.won) == (answer.amount, answer.amount)
    bidder.bill(answer.ticket, answer.amount / MICRO)
    assert bidder.notices == {"win": 1, "loss_after_win": 1, "settled": 1}
    assert (wallet.promised, wallet.won) == (0, 0)


def test_a_win_that_is_not_billed_in_a_day_is_free_again_and_counted(bidder: Bidder, clock: ManualClock) -> None:
    answer = made(bidder.bid(Opportunity(VALUE, 0)))
    wallet = bidder.days["default"].wallet
    bidder.win(answer.ticket)
    clock.move(clock() + DAY + 1.0)
    bidder.tick()
    assert (wallet.promised, wallet.won) == (0, 0)
    assert bidder.notices == {"win": 1, "win_unbilled": 1}


def test_a_bid_is_held_as_long_as_its_request_asks_for(bidder: Bidder, clock: ManualClock) -> None:
    usual, longer = (made(bidder.bid(Opportunity(VALUE, 0, hold=hold))) for hold in (5.0, 1800.0))
    assert (usual.expiry, longer.expiry) == (30.0, 1800.0)
    assert (usual.ticket.expires - clock(), longer.ticket.expires - clock()) == (60.0, 1830.0)
    wallet = bidder.days["default"].wallet
    for passed, held in ((59.0, usual.amount + longer.amount), (1829.0, longer.amount), (1831.0, 0)):
        clock.move(20_000 * DAY + passed)
        bidder.tick()
        assert wallet.promised == held
    assert bidder.notices == {"expired": 2}


@pytest.mark.parametrize("usual", ["win", "bill"])
def test_each_exchange_settles_by_its_own_notice(
    bundle_folder: Path, tmp_path: Path, clock: ManualClock, usual: Literal["win", "bill"]
) -> None:
    tokens = {"red": {"settle_on": "win"}, "blue": {"settle_on": "bill"}, "grey": {}}
    exchanges = {name: told | {"token": name * 8} for name, told in tokens.items()}
    (tmp_path / "exchanges.json").write_text(json.dumps(exchanges))
    config = ServeConfig(bundle=bundle_folder, state=tmp_path, settle_on=usual, exchanges=tmp_path / "exchanges.json")
    with open_bidder(config, clock) as bidder:
        by_win = {
            name: made(bidder.bid(Opportunity(VALUE, 0, exchange=name))).ticket.bills_on_win
            for name in ("red", "blue", "grey", None)
        }
    assert by_win == {"red": True, "blue": False, "grey": usual == "win", None: usual == "win"}


def test_where_an_exchange_sends_no_bills_its_wins_settle(
    bundle_folder: Path, tmp_path: Path, clock: ManualClock
) -> None:
    with open_bidder(ServeConfig(bundle=bundle_folder, state=tmp_path, settle_on="win"), clock) as bidder:
        answer = made(bidder.bid(Opportunity(VALUE, 0)))
        bidder.win(answer.ticket, answer.amount / MICRO / 2)
        bidder.bill(answer.ticket, answer.amount / MICRO)
        state = bidder.days["default"].wallet.state
        assert state is not None
        assert (state.settled, bidder.notices) == (round(answer.amount / 2), {"win": 1, "settled": 1, "duplicate": 1})


def test_an_unknown_segment_is_a_named_error(bidder: Bidder) -> None:
    with pytest.raises(InvalidServing, match="segment 99"):
        bidder.bid(Opportunity(VALUE, 99))


def test_a_new_day_has_its_own_budget_and_bills_of_the_old_one_go_to_the_old_account(
    bidder: Bidder, clock: ManualClock
) -> None:
    clock.move(clock() + DAY - 10)
    bidder.tick()
    before = bidder.days["default"]
    answer = made(bidder.bid(Opportunity(VALUE, 0)))
    clock.move(clock() + 20)
    bidder.tick()
    after = bidder.days["default"]
    assert after.account != before.account
    outcome: list[Booked | None] = []
    bidder.bill(answer.ticket, 0.001, done=outcome.append)
    assert outcome == [Booked.settled]
    store = bidder.desk.keeper.store
    old, new = store.state(before.account), store.state(after.account)
    assert old is not None
    assert new is not None
    assert (old.settled, new.settled) == (1000, 0)
    assert new.available + new.held == 40 * MICRO
    assert after.collector.spend == 0


def test_a_restart_goes_on_with_the_slots_it_has_seen(bundle_folder: Path, tmp_path: Path, clock: ManualClock) -> None:
    config = ServeConfig(bundle=bundle_folder, state=tmp_path)
    observations = []
    with open_bidder(config, clock) as bidder:
        for _ in range(5):
            for _ in range(50):
                answer = made(bidder.bid(Opportunity(VALUE, 0)))
                bidder.bill(answer.ticket, 0.01, 0.01)
            clock.move(clock() + DAY / 48)
            bidder.tick()
        observations.append(bidder.days["default"].decision.observation)
    with open_bidder(config, clock) as bidder:
        observations.append(bidder.days["default"].decision.observation)
        assert not bidder.event_counts()
    np.testing.assert_array_equal(observations[0], observations[1])
    assert all(observations[1][POSITION[name]] for name in ("traffic_eighth_1", "traffic_back_4", "traffic_change"))


def test_the_kill_switch_outlives_a_restart_and_notices_are_booked_all_the_same(
    bundle_folder: Path, tmp_path: Path, clock: ManualClock
) -> None:
    config = ServeConfig(bundle=bundle_folder, state=tmp_path)
    with open_bidder(config, clock) as bidder:
        ticket = made(bidder.bid(Opportunity(VALUE, 0))).ticket
        bidder.kill(True)
        assert bidder.bid(Opportunity(VALUE, 0)) == NoBid("kill_switch")
    with open_bidder(config, clock) as bidder:
        assert bidder.killed
        outcome: list[Booked | None] = []
        bidder.bill(ticket, 0.001, done=outcome.append)
        assert outcome == [Booked.settled]
        bidder.kill(False)
        made(bidder.bid(Opportunity(VALUE, 0)))


def test_the_bid_cap_cuts_and_counts(bundle_folder: Path, tmp_path: Path, clock: ManualClock) -> None:
    config = ServeConfig(bundle=bundle_folder, state=tmp_path, guardrails=GuardrailConfig(bid_cap=0.01))
    with open_bidder(config, clock) as bidder:
        assert made(bidder.bid(Opportunity((1.0, 5.0, 0.5), 0))).amount == 10_000
        assert bidder.event_counts() == {Cause.bid_cap: 1}


def test_no_more_than_its_share_of_the_budget_goes_into_one_slot(
    bundle_folder: Path, tmp_path: Path, clock: ManualClock
) -> None:
    guard = GuardrailConfig(slot_share=0.1)
    with open_bidder(ServeConfig(bundle=bundle_folder, state=tmp_path, guardrails=guard), clock) as bidder:
        answer = bidder.bid(Opportunity((1.0, 1.0, 0.1), 0))
        while isinstance(answer, Bid):
            bidder.bill(answer.ticket, answer.amount / MICRO)
            answer = bidder.bid(Opportunity((1.0, 1.0, 0.1), 0))
        assert answer == NoBid("spend_rate")
        state = bidder.desk.keeper.store.state(bidder.days["default"].account)
        assert state is not None
        assert 3.5 * MICRO < state.settled <= 4 * MICRO
        clock.move(clock() + DAY / 48)
        bidder.tick()
        made(bidder.bid(Opportunity(VALUE, 0)))


@settings(max_examples=50)
@given(before=numbers, after=numbers, limit=st.floats(1.1, 10))
def test_a_coefficient_moves_by_no_more_than_the_step_limit(before: float, after: float, limit: float) -> None:
    ones = np.ones((1, 2))
    rules = [Rule(np.full((1, 3), a), ones, np.zeros((1, 2))) for a in (before, after)]
    got, cut = limit_step(rules[0], rules[1], limit)
    if before > 0:
        assert (got.alpha <= before * limit * (1 + 1e-12)).all()
        assert (got.alpha >= before / limit * (1 - 1e-12)).all()
    assert cut == bool((got.alpha != after).any())


def test_failures_open_the_circuit_breaker_for_a_while(bidder: Bidder, clock: ManualClock) -> None:
    for _ in range(5):
        assert not bidder.breaker.open
        bidder.breaker.failed("predictor")
    assert bidder.bid(Opportunity(VALUE, 0)) == NoBid("breaker_open")
    clock.move(clock() + 31)
    made(bidder.bid(Opportunity(VALUE, 0)))
    assert bidder.event_counts() == {Cause.breaker_open: 1, Cause.breaker_closed: 1}


def test_a_shadow_decides_but_does_not_bid(bundle_folder: Path, tmp_path: Path, clock: ManualClock) -> None:
    shadow = write_controller_bundle(tmp_path / "shadow", "plan")
    config = ServeConfig(bundle=bundle_folder, shadow=shadow, state=tmp_path / "s")
    with open_bidder(config, clock) as bidder:
        for _ in range(30):  # far fewer auctions than forecast: mpc raises its bids, the plan does not
            bidder.bid(Opportunity(VALUE, 0))
        clock.move(clock() + DAY / 48)
        bidder.tick()
        day = bidder.days["default"]
        plan = day.shadow_bid(VALUE, 0, 0, False)
        amount = made(bidder.bid(Opportunity(VALUE, 0))).amount / MICRO
        assert plan is not None
        assert amount > 1.005 * plan
        assert amount == pytest.approx(day.pricer.bid(VALUE, 0, 0, False), abs=1e-6)


def test_even_shares_of_the_traffic_are_seen_as_the_whole(
    bundle_folder: Path, tmp_path: Path, clock: ManualClock
) -> None:
    seen = []
    for bidders in (1, 2):
        config = ServeConfig(bundle=bundle_folder, state=tmp_path / str(bidders), bidders=bidders)
        start = ManualClock(clock())
        with open_bidder(config, start) as bidder:
            for _ in range(100 // bidders):
                bidder.bill(made(bidder.bid(Opportunity(VALUE, 0))).ticket, 0.01, 0.01)
            start.move(start() + DAY / 48)
            bidder.tick()
            seen.append(bidder.days["default"].decision.observation)
    np.testing.assert_allclose(seen[0], seen[1], atol=1e-6)
