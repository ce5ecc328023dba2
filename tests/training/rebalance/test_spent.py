"""What is spent, by channel, and what of the running day is still to come."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidpilot.bidding.campaign.segments import channels
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.envs.markets.defaults import preset_forecast
from bidpilot.training.rebalance.server import Spend
from bidpilot.training.rebalance.spent import spent_so_far, traffic_left
from tests.training.rebalance.admin import spent_day

MONDAY, TUESDAY = date(2026, 11, 30), date(2026, 12, 1)


@pytest.fixture(scope="module")
def forecast() -> Forecast:
    return preset_forecast()


def told(passed: float = 1.0, **days: dict[str, Any]) -> Spend:
    """Days by the part of their date after 2026-."""
    dated = {f"2026-{name[1:3]}-{name[3:]}": day for name, day in days.items()}
    return Spend.model_validate({"currency": "USD", "today": TUESDAY, "passed": passed, "days": dated})


def test_money_owed_and_held_of_days_gone_by_is_spent(forecast: Forecast) -> None:
    spend = told(d1130=spent_day(settled=20.0, debt=1.5, held=3.0), d1201=spent_day(settled=10.0, debt=0.5))
    spent = spent_so_far(forecast, [spend], MONDAY)
    assert spent.by_day == ({MONDAY: 24.5, TUESDAY: 10.5},)
    assert spent.money.sum() == pytest.approx(35.0)
    assert spent.to_come.tolist() == [0.0]
    assert spent_so_far(forecast, [spend], TUESDAY).money.sum() == pytest.approx(10.5)


@given(
    settled=st.floats(0, 40),
    debt=st.floats(0, 5),
    held=st.floats(0, 20),
    passed=st.floats(0, 1),
    budget=st.floats(1, 99),
)
def test_a_running_day_comes_to_no_more_than_its_budget_and_to_no_less_than_it_may_owe(
    settled: float, debt: float, held: float, passed: float, budget: float
) -> None:
    forecast = preset_forecast()
    day = spent_day(budget=budget, settled=settled, debt=debt, held=held)
    (amount,) = spent_so_far(forecast, [told(passed, d1201=day)], TUESDAY).by_day[0].values()
    owed = settled + debt + held
    assert owed - 1e-9 <= amount <= max(budget, owed) + 1e-9
    if passed == 1.0:
        assert amount == pytest.approx(owed)
    if passed == 0.0:
        assert amount == pytest.approx(max(budget, owed))


def test_on_pace_the_rest_of_the_day_is_still_to_come_and_far_behind_it_is_not(forecast: Forecast) -> None:
    """With a tenth of the traffic left: a tenth of the budget is; of nine tenths, two are."""
    passed = float(np.interp(0.9, np.cumsum(forecast.auctions) / forecast.auctions.sum(), np.arange(1, 49) / 48))
    assert traffic_left(forecast, passed) == pytest.approx(0.1)
    pace, behind = spent_day(settled=36.0), spent_day(settled=4.0)
    spent = spent_so_far(forecast, [told(passed, d1201=pace), told(passed, d1201=behind)], TUESDAY)
    assert spent.to_come.tolist() == pytest.approx([4.0, 8.0])


@given(st.floats(0, 1))
def test_traffic_that_is_left_falls_from_all_to_nothing(passed: float) -> None:
    forecast = preset_forecast()
    left = traffic_left(forecast, passed)
    assert 0.0 <= left <= 1.0
    assert traffic_left(forecast, min(passed + 0.05, 1.0)) <= left
    assert traffic_left(forecast, 0.0) == 1.0
    assert traffic_left(forecast, 1.0) == pytest.approx(0.0)


def test_what_has_no_channel_goes_by_the_channels_that_are_known(forecast: Forecast) -> None:
    """Of the day, of the campaign's other days, and of the market, in this order."""
    first, second = channels(forecast.segments)[:2]
    known = told(d1130=spent_day(settled=10.0, channels={first: 3.0, second: 1.0}), d1201=spent_day(settled=20.0))
    nothing = told(d1130=spent_day(settled=12.0))
    money = spent_so_far(forecast, [known, nothing], MONDAY).money
    assert money[0, :2].tolist() == pytest.approx([22.5, 7.5])
    assert money[0, 2:].tolist() == [0.0] * (money.shape[1] - 2)
    assert money[1].sum() == pytest.approx(12.0)
    assert (money[1] > 0).all()


def test_a_channel_that_the_forecast_does_not_have_is_split_like_what_is_unknown(forecast: Forecast) -> None:
    first = channels(forecast.segments)[0]
    spend = told(d1130=spent_day(settled=10.0, channels={"gone": 5.0, first: 5.0}))
    assert spent_so_far(forecast, [spend], MONDAY).money[0, 0] == pytest.approx(10.0)
