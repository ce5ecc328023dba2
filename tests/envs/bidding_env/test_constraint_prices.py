"""Prices of missed constraints: they rise while a constraint is missed, fall after, and are paid at the day's end."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.campaign.segments import is_tail
from bidpilot.bidding.constraints.together import MISSABLE, PRICED
from bidpilot.envs.bidding_env.constraint_prices import BUCKETS, ConstraintPrices
from bidpilot.envs.bidding_env.env import BiddingVectorEnv
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.markets.defaults import preset_campaign, preset_forecast, preset_market

MARKET = 1000.0  # what all auctions cost
TIGHT, MEDIUM, AMPLE = 10.0, 50.0, 200.0  # budgets: 1, 5 and 20 % of it
TAIL = PRICED.index("min_tail_share")


def finished(campaigns: list[Campaign], **missed: list[float]) -> Episode:
    """What the prices read of a finished day of these campaigns: relative excess by kind of constraint."""
    rows = len(campaigns)
    violations = {kind: np.array(missed.get(kind, [0.0] * rows)) for kind in MISSABLE}
    today = SimpleNamespace(
        campaigns=CampaignBatch.of(campaigns),
        plan=SimpleNamespace(market=np.array([MARKET])),
        index=np.zeros(rows, np.int64),
    )
    day: Any = SimpleNamespace(rows=rows, today=today, violations=lambda: violations)
    return cast(Episode, day)


def tail(budget: float = MEDIUM) -> Campaign:
    return Campaign(budget=budget, min_tail_share=0.4)


def test_a_multiplier_rises_while_its_constraint_is_missed_and_falls_once_it_is_kept() -> None:
    prices, path = ConstraintPrices(), []
    for missed in (0.1, 0.1, 0.1, 0.0, 0.0):
        prices.charge(finished([tail()], min_tail_share=[missed]))
        path.append(prices.multiplier[TAIL, 1])
    assert path[0] > 0
    assert path[0] < path[1] < path[2] > path[3] > path[4]
    assert path[2] == pytest.approx(3 * prices.rate * (0.1 - prices.tolerance))


def test_a_multiplier_stays_between_zero_and_the_most() -> None:
    prices = ConstraintPrices(most=5.0)
    prices.charge(finished([tail()], min_tail_share=[0.0]))
    assert (prices.multiplier == 0.0).all()
    for _ in range(10):
        prices.charge(finished([tail()], min_tail_share=[1.0]))
    assert prices.multiplier.max() == 5.0


def test_what_is_within_the_tolerance_raises_nothing() -> None:
    prices = ConstraintPrices(tolerance=0.01)
    prices.charge(finished([tail()], min_tail_share=[0.009]))
    assert (prices.multiplier == 0.0).all()
    prices.charge(finished([tail()], min_tail_share=[0.011]))
    assert prices.multiplier[TAIL, 1] > 0.0


def test_each_tightness_has_a_multiplier_of_its_own() -> None:
    prices = ConstraintPrices()
    prices.charge(finished([tail(TIGHT), tail(MEDIUM), tail(AMPLE)], min_tail_share=[0.0, 0.1, 0.3]))
    assert prices.multiplier.shape == (len(PRICED), BUCKETS)
    tight, medium, ample = prices.multiplier[TAIL]
    assert (tight, medium, ample) == pytest.approx((0.0, 2.0 * 0.098, 2.0 * 0.298))
    charge = prices.charge(finished([tail(TIGHT), tail(MEDIUM), tail(AMPLE)], min_tail_share=[0.5, 0.5, 0.5]))
    np.testing.assert_allclose(charge, 0.5 * np.array([tight, medium, ample]))


def test_rows_that_do_not_ask_for_a_constraint_do_not_count() -> None:
    free = Campaign(budget=MEDIUM)
    alone, among = ConstraintPrices(), ConstraintPrices()
    alone.charge(finished([tail()], min_tail_share=[0.1]))
    among.charge(finished([free, tail(), free], min_tail_share=[0.0, 0.1, 0.0]))
    np.testing.assert_array_equal(among.multiplier, alone.multiplier)


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        ("min_roi", {"min_roi": 1.5}),
        ("kpi_floors", {"kpi_floors": (0.0, 5.0, 0.0)}),
        ("min_tail_share", {"min_tail_share": 0.4}),
        ("channel_caps", {"channel_caps": {"search": 3.0}}),
    ],
)
def test_a_missed_constraint_raises_its_own_multiplier_alone(kind: str, asked: dict[str, Any]) -> None:
    prices = ConstraintPrices()
    prices.charge(finished([Campaign(budget=MEDIUM, **asked)], **{kind: [0.1]}))
    assert np.argwhere(prices.multiplier > 0).tolist() == [[PRICED.index(kind), 1]]


def test_a_cost_target_is_not_priced() -> None:
    prices = ConstraintPrices()
    prices.multiplier[:] = 1.0
    charge = prices.charge(finished([Campaign(budget=MEDIUM, max_cpa=2.0)], max_cpa=[3.0]))
    assert charge.tolist() == [0.0]
    assert (prices.multiplier == 1.0).all()


def test_the_charge_is_taken_off_the_last_reward_of_the_day() -> None:
    rows, market, forecast = 2, preset_market("steady"), preset_forecast("steady")
    campaign = preset_campaign("steady").model_copy(update={"min_tail_share": 0.5})
    prices = ConstraintPrices()
    prices.multiplier[:] = 3.0
    free = BiddingVectorEnv(rows, market, forecast, campaign)
    priced = BiddingVectorEnv(rows, market, forecast, campaign, prices=prices)
    alone = Episode(market, forecast, rows)
    for env in (free, priced):
        env.reset(seed=1)
    alone.begin(market.days(free.uniforms), CampaignBatch.repeat(campaign, rows))
    action = np.zeros((rows, 3 + alone.segments), np.float32)
    action[:, 3:] = np.where(is_tail(forecast.segments), -1.0, 1.0)
    off = []
    for _ in range(alone.slots):
        off.append(free.step(action)[1] - priced.step(action)[1])
        alone.play(action)
    missed = alone.violations()["min_tail_share"]
    assert missed.min() > 0.1
    assert not np.any(off[:-1])
    np.testing.assert_allclose(off[-1], 3.0 * missed, rtol=1e-9)
