"""A day replayed through environment and pilot: the same observations, the same coefficients."""

from __future__ import annotations

import time
from datetime import timedelta, timezone

import numpy as np
import pytest
from numpy.typing import NDArray

from bidpilot.agents.acting.agent import Agent, AgentDay, controller_agent
from bidpilot.agents.acting.network import Mlp
from bidpilot.agents.acting.policy import NetworkPolicy
from bidpilot.agents.acting.residual import RESIDUALS
from bidpilot.agents.acting.state import State
from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.day.action import action_size
from bidpilot.bidding.day.features import POSITION
from bidpilot.bidding.day.replanners import Replan
from bidpilot.bidding.day.slot_totals import SlotTotals
from bidpilot.bidding.landscape.octaves import RATIOS
from bidpilot.bidding.plan.budget_plan import RATIO_QUANTILES
from bidpilot.bidding.plan.planner import Planner
from bidpilot.bidding.rule import Rule
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.clearing.chunk import quantiles_from_bins
from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.envs.markets.defaults import preset_campaign, preset_forecast
from bidpilot.envs.markets.recorded.replay import RecordedMarket
from bidpilot.serving.calendar import Calendar, ManualClock
from bidpilot.serving.collector import SlotCollector, add_win, ratio_quantiles
from bidpilot.serving.guardrails import Cause, EventLog
from bidpilot.serving.pilot import Pilot
from bidpilot.serving.told import Told
from tests.serving.conftest import recorded_day

SIZE = action_size(len(preset_forecast().segments))


def make_pilot(campaign: Campaign, agent: Agent | None = None, sources: int = 8, patience: float = 1.0) -> Pilot:
    forecast = preset_forecast()
    events = EventLog(ManualClock())
    return Pilot(Planner(forecast), campaign, agent or controller_agent("mpc"), sources, events, patience)


def test_two_campaigns_of_one_server_that_differ_in_the_channel_capped_have_rules_of_their_own() -> None:
    """They share a planner, as those of one bundle do."""
    planner, rules = Planner(preset_forecast()), []
    for channel in ("feed", "search"):
        campaign = preset_campaign().model_copy(update={"channel_caps": {channel: 8.0}})
        rules.append(Pilot(planner, campaign, controller_agent("mpc"), 8, EventLog(ManualClock())).begin().rule)
    feed, search = (rule.multiplier[0] / rule.multiplier[0].max() for rule in rules)
    assert feed[0] < 0.9 < feed[2]
    assert search[2] < 0.9 < search[0]


def test_what_an_auction_usually_brings_does_not_depend_on_what_a_conversion_is_worth() -> None:
    cheap, dear = (
        make_pilot(preset_campaign().model_copy(update={"conversion_value": worth})).unit_value
        for worth in (12.0, 120.0)
    )
    np.testing.assert_array_equal(dear, cheap)
    np.testing.assert_allclose(cheap, preset_forecast().landscape.mean_value / [1.0, 1.0, 12.0])


class Bold:
    """Bids all that an action reaches."""

    name = "bold"
    replan = Replan.FORECAST

    def check(self, segments: int) -> None:
        """Fits any market."""

    def start(self, rows: int) -> State:
        return {}

    def act(self, observation: NDArray[np.float32], state: State) -> tuple[NDArray[np.float64], State]:
        action = np.zeros((len(observation), SIZE))
        action[:, 0] = 1.0
        return action, state


def named(name: str) -> Agent:
    """The controller of that name, or a policy that always adds 0.15 to the adaptive one's scale."""
    if name != "residual on adaptive":
        return controller_agent(name)
    network = Mlp((np.zeros((1, SIZE), np.float32),), (np.eye(1, SIZE, dtype=np.float32)[0] / 2,))
    return NetworkPolicy(network, RESIDUALS["adaptive"], ("traffic_change",))


@pytest.mark.parametrize("name", ["mpc", "adaptive", "residual on adaptive"])
@pytest.mark.parametrize(
    ("terms", "closes"), [({}, False), ({"feedback": "won_only"}, False), ({"channel_caps": {"feed": 3.0}}, True)]
)
def test_a_replayed_day_gives_the_environments_observations_and_coefficients(
    terms: dict[str, object], closes: bool, name: str
) -> None:
    """A channel whose cap is reached is closed, here as there."""
    log, forecast = recorded_day(), preset_forecast()
    campaign = preset_campaign().model_copy(update=terms)
    market = RecordedMarket(log, forecast.level_slots)
    days = market.recorded([0])
    episode = Episode(market, forecast, 1)
    agent: Agent = Bold() if closes else named(name)
    seen = episode.begin(days, CampaignBatch.repeat(campaign, 1, days.budget), replan=agent.replan)
    day = AgentDay(agent, 1, episode.segments)
    pilot = make_pilot(campaign, agent)
    decision = pilot.begin()
    collector = pilot.collector(log.sources)
    left, closed = campaign.budget, False
    for slot in range(log.slots):
        np.testing.assert_allclose(decision.observation, seen[0], atol=2e-6)
        action = day.act(seen)
        np.testing.assert_allclose(decision.action, action[0], atol=2e-6)
        seen = episode.play(action)
        np.testing.assert_allclose(decision.rule.alpha, episode.rule.alpha, rtol=1e-5)
        np.testing.assert_allclose(decision.rule.multiplier, episode.rule.multiplier, rtol=1e-5)
        closed |= bool((decision.rule.multiplier == 0.0).any())
        collector.begin(slot)
        for i in range(log.offsets[0, slot], log.offsets[0, slot + 1]):
            left -= play_auction(collector, decision.rule, log, i, left)
        decision = pilot.close_slot(collector.totals())
    assert pilot.over
    assert closed == closes
    assert left == pytest.approx(float(episode.left[0]), rel=1e-6, abs=1e-4)
    pilot.close()


def play_auction(collector: SlotCollector, rule: Rule, log: AuctionLog, i: int, left: float) -> float:
    """One auction as a bidder meets it; the money spent. In the kernel's float32, so that no tie falls otherwise."""
    e, n, c = log.exposure[i], log.interaction[i], log.conversion[i]
    segment, price = int(log.segment[i]), log.market_price[i]
    value = (float(e), float(n), float(c))
    collector.request(value, segment, 0)
    collector.price(value, 0, float(price))
    a = (rule.multiplier[0, segment] * rule.alpha[0]).astype(np.float32)
    bid = min(float(a[0] * e + a[1] * n + a[2] * c), left)
    if bid < price:
        return 0.0
    assert log.interacted is not None
    assert log.converted is not None
    source = int(log.source[i])
    collector.win(value, segment, source, float(price), bid)
    collector.outcome(source, Told(interaction=float(log.interacted[i]), conversion=float(log.converted[i])))
    return float(price)


def test_quantiles_of_value_per_price_are_the_kernels() -> None:
    generator = np.random.default_rng(0)
    for _ in range(50):
        counts = generator.poisson(
            generator.exponential(2.0, RATIOS.bins) * (generator.random(RATIOS.bins) < 0.2)
        ).astype(np.int64)
        counts[generator.integers(RATIOS.bins)] += 1
        expected = np.empty(len(RATIO_QUANTILES))
        quantiles_from_bins(counts.astype(np.int32), int(counts.sum()), RATIO_QUANTILES, expected)
        np.testing.assert_allclose(ratio_quantiles(counts, RATIO_QUANTILES), expected, rtol=1e-12)


def test_a_win_billed_late_is_booked_where_it_would_have_been_in_time() -> None:
    forecast, campaign = preset_forecast(), preset_campaign()
    value, segment, source = (0.5, 0.2, 0.01), 1, 3
    observations = []
    for late in (False, True):
        pilot = make_pilot(campaign, controller_agent("plan"))
        pilot.begin()
        collector = pilot.collector(8)
        for slot in range(4):
            collector.begin(slot)
            for _ in range(100):
                collector.request(value, segment, 0)
            if slot == 1 and not late:
                collector.win(value, segment, source, 0.5, 0.6)
            if slot == 3 and late:
                told = SlotTotals.zeros(1, len(forecast.segments), 8)
                add_win(told, value, segment, source, 0.5, 0.6)
                pilot.late(1, told)
            decision = pilot.close_slot(collector.totals())
        observations.append(decision.observation)
        pilot.close()
    np.testing.assert_array_equal(observations[0], observations[1])
    assert observations[0][POSITION["win_rate_day"]] == pytest.approx(1 / 400)


class Bad:
    """A policy that fails with an error, sleeps for some seconds, or answers with an array."""

    def __init__(self, answer: Exception | float | NDArray[np.float64]) -> None:
        self.answer = answer

    name = "bad"
    replan = Replan.FORECAST

    def check(self, segments: int) -> None:
        pass

    def start(self, rows: int) -> State:
        return {}

    def act(self, observation: NDArray[np.float32], state: State) -> tuple[NDArray[np.float64], State]:
        if isinstance(self.answer, Exception):
            raise self.answer
        if isinstance(self.answer, float):
            time.sleep(self.answer)
            return np.zeros((1, SIZE)), state
        return self.answer, state


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (RuntimeError("no"), Cause.policy_failed),
        (0.2, Cause.policy_slow),
        (np.full((1, SIZE), np.nan), Cause.policy_out_of_range),
        (np.full((1, SIZE), 1.5), Cause.policy_out_of_range),
        (np.zeros((1, 2)), Cause.policy_out_of_range),
    ],
)
def test_a_policy_that_fails_is_replaced_by_the_plan(
    answer: Exception | float | NDArray[np.float64], cause: Cause
) -> None:
    pilot = make_pilot(preset_campaign(), Bad(answer), patience=0.05)
    decision = pilot.begin()
    assert decision.planned
    np.testing.assert_array_equal(decision.rule.alpha, pilot.alpha)
    assert pilot._events.counts == {cause: 1}
    pilot.close()


def test_a_slot_nobody_watched_is_taken_as_forecast() -> None:
    pilot = make_pilot(preset_campaign())
    pilot.begin()
    collector = pilot.collector(8)
    decision = pilot.close_slot(collector.totals(unwatched=1.0))
    for name in ("traffic_slot", "value_slot", "price_block", "ratio_50", "ratio_90", "ratio_99"):
        assert abs(decision.observation[POSITION[name]]) < 0.01
    pilot.close()


@pytest.mark.parametrize("offset", [0.0, 3600.0, -18_000.0])
def test_slots_tile_the_day(offset: float) -> None:
    calendar = Calendar(48, timezone(timedelta(seconds=offset)))
    moment = calendar.at(1_700_000_000.0)
    for _ in range(100):
        after = calendar.at(moment.end)
        assert after.start == moment.end
        assert (after.day, after.slot) == ((moment.day, moment.slot + 1) if moment.slot < 47 else (moment.day + 1, 0))
        assert calendar.at(moment.end - 1e-3).slot == moment.slot
        moment = after


def test_what_slots_have_left_over_is_due_in_those_to_come_as_the_plan_has_it() -> None:
    campaign = preset_campaign()
    pilot = make_pilot(campaign)
    pilot.begin()
    assert pilot.due(0) == pytest.approx(pilot.planned_spend(0), rel=0.01)
    for _ in range(24):  # nothing is bought before noon
        pilot.close_slot(SlotTotals.zeros(1, len(preset_forecast().segments), 8))
    coming = sum(map(pilot.planned_spend, range(24, 48)))
    assert coming < 0.9 * campaign.budget
    assert pilot.due(24) == pytest.approx(pilot.planned_spend(24) / coming * campaign.budget)
