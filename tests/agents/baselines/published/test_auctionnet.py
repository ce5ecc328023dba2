"""The AuctionNet protocol: its score, its oracle, and the bidders of the benchmark."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from bidpilot.agents.baselines.published.auctionnet import BenchmarkBidder, BidderDay, Seen
from bidpilot.agents.baselines.published.auctionnet_bidders import BudgetPid, CpaPid, FixedCpa, OnlineLp
from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.errors import InvalidProtocol
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.logs.auction_log import AuctionLog, DayRecord, stack_offsets
from bidpilot.envs.markets.forecasting import fit_forecast
from bidpilot.envs.markets.recorded.replay import RecordedMarket

SLOTS, AUCTIONS = 12, 60  # of a day, and of a slot


def make_log(seed: int, days: int = 4, budget: float = 20.0, target: float = 6.0, scale: float = 1.0) -> AuctionLog:
    """Days whose conversions cost about 5 each, the budget buying a part of them; money times `scale`."""
    rng = np.random.default_rng(seed)
    n = days * SLOTS * AUCTIONS
    conversion = rng.lognormal(-4.0, 0.7, n).clip(0, 0.5).astype(np.float32)
    price = (np.float32(scale) * (5.0 * conversion * rng.lognormal(0.0, 0.8, n)).astype(np.float32)).astype(np.float32)
    exposure, interaction = np.ones(n, np.float32), np.zeros(n, np.float32)
    zeros = np.zeros(n, np.int16)
    return AuctionLog(
        name="small",
        market_price=price,
        exposure=exposure,
        interaction=interaction,
        conversion=conversion,
        true_exposure=exposure,
        true_interaction=interaction,
        true_conversion=conversion,
        segment=zeros,
        source=zeros,
        invalid=np.zeros(n, np.bool_),
        interacted=None,
        converted=None,
        offsets=stack_offsets([np.full(SLOTS, AUCTIONS)] * days),
        days=tuple(
            DayRecord(f"day {seed}-{d}", f"unit {d // 2}", scale * (budget + d), scale * target, scale * (target + d))
            for d in range(days)
        ),
        segments=("feed/head",),
        sources=1,
    )


def forecast_of(log: AuctionLog) -> Forecast:
    market = RecordedMarket(log)
    return fit_forecast(market, market.recorded(np.arange(log.n_days)), log.days[0].conversion_value)


@cache
def training(scale: float = 1.0) -> AuctionLog:
    return make_log(100, scale=scale)


def bidders(scale: float = 1.0) -> list[BenchmarkBidder]:
    return [FixedCpa(), BudgetPid(), CpaPid(), OnlineLp(training(scale))]


def seen(t: int = 1, **changes: float) -> Seen:
    amounts = {"target": 10.0, "left": 80.0, "spend": 20.0, "last_spend": 10.0, "conversions": 4.0, **changes}
    return Seen(t, 9, **{name: np.array([amount]) for name, amount in amounts.items()})


def targets(log: AuctionLog) -> NDArray[np.float64]:
    return np.array([day.max_cpa for day in log.days], np.float64)


def play(log: AuctionLog, bidder: BenchmarkBidder, scale: float = 1.0) -> Episode:
    """An episode of a log's days that a bidder has played."""
    market = RecordedMarket(log)
    days = market.recorded(np.arange(log.n_days))
    episode = Episode(market, forecast_of(training(scale)), log.n_days)
    campaign = Campaign(budget=1.0, preference=(0.0, 0.0, 1.0))
    episode.begin(days, CampaignBatch.repeat(campaign, log.n_days, days.budget, days.conversion_value, days.bounds))
    day = BidderDay(bidder, targets(log))
    for _ in range(episode.slots):
        episode.play_rule(day.rule(episode))
    return episode


def test_a_fixed_bid_wins_what_the_target_is_worth_in_order_of_arrival_until_the_budget_ends() -> None:
    log = make_log(3)
    played = play(log, FixedCpa())
    for d, day in enumerate(log.days):
        left, won = day.budget, 0.0
        for i in range(log.offsets[d, 0], log.offsets[d, -1]):
            bid = np.float32(np.float32(day.max_cpa) * log.conversion[i])
            if min(float(bid), left) >= log.market_price[i]:
                left -= float(log.market_price[i])
                won += float(log.conversion[i])
        assert played.kpi[d, 2] == pytest.approx(won, rel=1e-12)
        assert played.left[d] == pytest.approx(left, rel=1e-12)
        # Under second price nobody pays more than the bid, so a bid of the target keeps the target.
        assert day.budget - left <= targets(log)[d] * won * (1 + 1e-6)


def test_a_bidder_sees_what_it_spent_and_won_slot_by_slot() -> None:
    log = make_log(3)
    recorder = Recorder(FixedCpa())
    played = play(log, recorder)
    budget = np.array([day.budget for day in log.days])
    assert [seen.t for seen in recorder.seen] == list(range(SLOTS))
    np.testing.assert_array_equal(recorder.seen[0].left, budget)
    np.testing.assert_array_equal(recorder.seen[0].last_spend, 0.0)
    spends = [seen.last_spend for seen in recorder.seen]
    for t, seen in enumerate(recorder.seen):
        np.testing.assert_allclose(seen.spend, np.sum(spends[: t + 1], axis=0), atol=1e-9)
        np.testing.assert_allclose(seen.left + seen.spend, budget, rtol=1e-15)
    last = played.totals.predicted[:, 2]
    np.testing.assert_allclose(recorder.seen[-1].conversions + last, played.kpi[:, 2], rtol=1e-6)


def test_the_pid_raises_when_too_little_and_lowers_when_too_much_would_be_spent() -> None:
    pid = BudgetPid()
    pid.start()
    assert pid.alpha(seen(t=0)) == 10.0  # begins at the target
    # Eight slots to come and 80 left: 10 a slot is the pace, 7 and 11 are its bounds.
    assert pid.alpha(seen(last_spend=7.01)) == 10.0
    assert pid.alpha(seen(last_spend=6.99)) == pytest.approx(12.0)
    assert pid.alpha(seen(last_spend=10.99)) == pytest.approx(12.0)
    assert pid.alpha(seen(last_spend=11.01)) == pytest.approx(8.4)
    pid.start()
    assert pid.alpha(seen(t=0)) == 10.0


def test_the_pid_on_cpa_never_raises_above_the_target_and_lowers_there() -> None:
    pid = CpaPid()
    pid.start()
    pid.alpha(seen(t=0))
    assert pid.alpha(seen(last_spend=1.0, spend=39.0)) == pytest.approx(12.0)  # CPA 9.75 of 10
    assert pid.alpha(seen(last_spend=1.0, spend=41.0)) == pytest.approx(8.4)  # CPA 10.25: the pace is no excuse
    assert pid.alpha(seen(last_spend=10.0, spend=41.0)) == pytest.approx(5.88)


def small_training() -> AuctionLog:
    """Two days of two slots; a conversion costs 2, 4 and 8 in the first, 6 and 3 in the second."""
    log = make_log(0, days=2)
    value = np.full(5, 0.5, np.float32)
    price = np.array([1.0, 2.0, 4.0, 3.0, 1.5], np.float32)
    both = np.tile(value, 2)
    zeros, ones = np.zeros(10, np.int16), np.ones(10, np.float32)
    return replace(
        log,
        market_price=np.tile(price, 2),
        conversion=both,
        true_conversion=both,
        exposure=ones,
        true_exposure=ones,
        interaction=np.zeros(10, np.float32),
        true_interaction=np.zeros(10, np.float32),
        segment=zeros,
        source=zeros,
        invalid=np.zeros(10, np.bool_),
        offsets=stack_offsets([np.array([3, 2]), np.array([3, 2])]),
    )


@pytest.mark.parametrize(
    ("t", "left", "alpha"),
    [
        # A mean day buys at 2, 3, 4, 6 and 8 each, for 1, 1.5, 2, 3 and 4.
        (0, 0.9, 2.0),
        (0, 2.0, 3.0),
        (0, 4.0, 4.0),
        (0, 7.0, 6.0),
        (0, 7.6, 7.5),  # 8, but no more than 1.5 targets
        (0, 99.0, 5.0),  # the budget buys all: the target
        (1, 1.4, 3.0),  # only the second slot is to come
        (1, 4.0, 6.0),
        (1, 5.0, 5.0),
    ],
)
def test_online_lp_bids_what_the_last_conversion_costs_that_the_budget_left_buys(
    t: int, left: float, alpha: float
) -> None:
    lp = OnlineLp(small_training())
    assert lp.alpha(seen(t=t, left=left, target=5.0)) == pytest.approx(alpha, rel=1e-3)


class Recorder:
    """Notes what another bidder bids."""

    def __init__(self, bidder: BenchmarkBidder) -> None:
        self.name, self._bidder = bidder.name, bidder

    def start(self) -> None:
        self._bidder.start()
        self.bids: list[NDArray[np.float64]] = []
        self.seen: list[Seen] = []

    def alpha(self, seen: Seen) -> NDArray[np.float64]:
        self.seen.append(seen)
        self.bids.append(self._bidder.alpha(seen).copy())
        return self.bids[-1]


def test_what_the_later_slots_bring_changes_no_bid_before_them() -> None:
    log = make_log(8)
    order = np.arange(log.n)
    later = 6
    for d in range(log.n_days):
        order[log.offsets[d, later] : log.offsets[d, -1]] = order[log.offsets[d, later] : log.offsets[d, -1]][::-1]
    value = log.conversion[order]
    other = replace(log, market_price=log.market_price[order], conversion=value, true_conversion=value)
    for bidder in bidders():
        found = []
        for played in (log, other):
            recorder = Recorder(bidder)
            play(played, recorder)
            found.append(np.array(recorder.bids))
        np.testing.assert_array_equal(found[0][: later + 1], found[1][: later + 1], err_msg=bidder.name)
        if bidder.name not in ("fixed_cpa",):
            assert not np.array_equal(found[0], found[1]), bidder.name


def test_no_unit_of_money_matters() -> None:
    for one, eight in zip(bidders(1.0), bidders(8.0), strict=True):
        small, large = play(make_log(4), one), play(make_log(4, scale=8.0), eight, 8.0)
        np.testing.assert_allclose(large.kpi, small.kpi, rtol=1e-9, err_msg=one.name)
        np.testing.assert_allclose(large.left, 8.0 * small.left, rtol=1e-9, atol=1e-9, err_msg=one.name)


def test_online_lp_needs_a_conversion_to_learn_from() -> None:
    log = make_log(1)
    nothing = np.zeros_like(log.conversion)
    with pytest.raises(InvalidProtocol, match="No training auction"):
        OnlineLp(replace(log, conversion=nothing, true_conversion=nothing))
