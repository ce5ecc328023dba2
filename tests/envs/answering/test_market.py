"""Facts about the market of rivals: days are what their uniforms say, money paces, and levels spread as recorded."""

from __future__ import annotations

import numpy as np
import pytest

from bidpilot.bidding.errors import InvalidMarket
from bidpilot.envs.answering.config import Pacing, RivalMarketConfig
from bidpilot.envs.answering.days import RivalDays
from bidpilot.envs.answering.market import RivalMarket, rival_market
from bidpilot.envs.markets.fitted import published
from bidpilot.envs.markets.fitted.published import level_statistics
from tests.envs.answering.small import SMALL, bids_paid, small_market, some_days, some_rule


def test_the_same_uniforms_are_the_same_days_whatever_stands_beside_them() -> None:
    market = small_market(played=1)
    uniforms = np.random.default_rng(3).random((5, market.draws))
    many, few = market.days(uniforms), market.days(uniforms[3:])
    assert many.answers is not None
    assert few.answers is not None
    at = slice(many.start[3, 0], None)
    np.testing.assert_array_equal(many.answers.columns.market_price[at], few.answers.columns.market_price)
    np.testing.assert_array_equal(many.answers.columns.conversion[at], few.answers.columns.conversion)


def test_bidders_of_one_market_see_the_same_auctions_at_values_of_their_own() -> None:
    days, rivals = some_days(small_market(played=3), markets=2)
    assert (days.count[0] == days.count[2]).all()
    first, second = (rivals.columns._asdict() for _ in range(2))
    rows = [slice(days.start[r, 0], days.start[r, 0] + days.count[r].sum()) for r in range(3)]
    np.testing.assert_array_equal(first["segment"][rows[0]], second["segment"][rows[1]])
    np.testing.assert_array_equal(first["market_price"][rows[0]], second["market_price"][rows[2]])  # none of them bids
    assert (first["conversion"][rows[0]] != second["conversion"][rows[1]]).mean() > 0.9


def test_a_bid_of_one_who_is_played_raises_what_the_others_pay() -> None:
    market = small_market(played=2)
    days, rivals = some_days(market)
    rule = some_rule(market, len(days), 2.0)
    rule.alpha[::2] = 0.0  # the first bidder of each market does not bid
    alone = rivals.columns.market_price.copy()
    rivals.begin()
    rivals.answer(0, rule, np.full(len(days), 9.0), None, bids_paid(len(days), False))
    of_first = slice(days.start[0, 0], days.start[0, 1])
    assert (rivals.columns.market_price[of_first] >= alone[of_first]).mean() > 0.95  # all but where budgets end
    assert rivals.columns.market_price[of_first].mean() > 1.1 * alone[of_first].mean()
    assert rivals.slot.wins[:, 0].sum() == 0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"bidders": 1}, "bidders"),
        ({"level_slots": 3}, "divide"),
        ({"shares": (0, 0, 0, 0)}, "shares"),
        ({"pool_auctions": 100}, "pool"),
        ({"unheard_of": 1}, "unheard_of"),
    ],
)
def test_parameters_out_of_range_are_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidMarket, match=said):
        RivalMarketConfig(**SMALL | changes)


def test_who_cannot_be_played_and_what_is_no_day_are_refused() -> None:
    with pytest.raises(InvalidMarket, match="played"):
        small_market(played=8)
    market = small_market(played=2)
    for uniforms in (np.zeros((3, market.draws)), np.zeros((2, 5)), np.ones((2, market.draws))):
        with pytest.raises(InvalidMarket, match=r"uniforms"):
            market.days(uniforms)


@pytest.fixture(scope="module")
def full() -> tuple[RivalMarket, RivalDays, np.ndarray]:
    market = rival_market(RivalMarketConfig())
    days = market.days(np.random.default_rng(0).random((24, market.draws)))
    assert isinstance(days.answers, RivalDays)
    columns = days.answers.columns
    slot = np.repeat(np.arange(24 * market.slots), days.count.ravel())
    value = columns.conversion * np.repeat(days.value_scale[:, :, 0].ravel(), days.count.ravel())
    sums = [np.bincount(slot, column).reshape(24, -1) for column in (value, columns.market_price)]
    return market, days.answers, np.stack([days.count.astype(float), *sums])


def test_rivals_spend_what_they_have_over_the_day_and_no_more(
    full: tuple[RivalMarket, RivalDays, np.ndarray],
) -> None:
    market, rivals, (_, _, price) = full
    share = 1.0 - rivals.field.left / market.bidders.budget
    paced = np.isin(market.bidders.kind, [Pacing.PID, Pacing.LINEAR_PROGRAMME]) & (np.arange(48) > 0)
    assert share[:, 1:].max() <= 1.0
    assert share[:, paced].mean() > 0.95
    targeted = (market.bidders.kind == Pacing.TARGET_COST) & (np.arange(48) > 0)
    cost = rivals.books.spent[:, targeted] / rivals.books.value[:, targeted]
    target = market.bidders.target[targeted]
    assert np.abs(np.log(np.median(cost, axis=0) / target)).mean() < 0.35
    halves = price.reshape(24, 2, -1).sum(axis=2).mean(axis=0)
    assert 0.7 < halves[1] / halves[0] < 1.3  # prices do not fall off when budgets run out


def test_blocks_spread_as_in_auctionnet(full: tuple[RivalMarket, RivalDays, np.ndarray]) -> None:
    market, _, (count, value, price) = full
    config = market.config
    found = level_statistics(count, value, price, config.level_slots, config.traffic_slots)
    recorded = {
        "value_level": published.AUCTIONNET_VALUE_LEVEL,
        "price_level": published.AUCTIONNET_PRICE_LEVEL,
        "value_per_price": published.AUCTIONNET_VALUE_PER_PRICE,
        "traffic": published.AUCTIONNET_TRAFFIC,
    }
    for name, quantiles in recorded.items():
        np.testing.assert_allclose(getattr(found, name), quantiles, rtol=0.2, err_msg=name)
