"""The ROI model: rates of groups, when money has come back, and which channel is worth more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidpilot.bidding.errors import NothingBought
from bidpilot.training.roi.model import payback, roi_model
from bidpilot.training.roi.purchases import UNTOLD, By, Valued
from tests.training.roi.written import drawn


def test_the_rates_of_a_group_are_its_sums_over_its_sums() -> None:
    bought = drawn()
    found = roi_model(bought, "channel")
    feed = found.of("feed")
    inside = bought.segment < 2
    spend, value, orders = (float(x[inside].sum()) for x in (bought.cost, bought.value, bought.converted))
    assert feed.spend == pytest.approx(spend)
    assert feed.roi.value == pytest.approx(value / spend)
    assert feed.cost_per_acquisition.value == pytest.approx(spend / orders)
    assert feed.conversion_rate.value == pytest.approx(orders / inside.sum())
    assert feed.value_per_conversion.value == pytest.approx(value / orders)
    assert feed.spend_share == pytest.approx(spend / bought.cost.sum())
    assert feed.conversion_rate.value is not None
    assert feed.value_per_conversion.value is not None
    parts = feed.conversion_rate.value * feed.value_per_conversion.value / (spend / inside.sum())
    assert feed.roi.value == pytest.approx(parts)  # rate times worth over the price of a win


@pytest.mark.parametrize("by", list(By))
def test_groups_add_up_to_all(by: By) -> None:
    found = roi_model(drawn(), by)
    for name in ("spend", "wins", "conversions", "value", "spend_share"):
        total = sum(getattr(group, name) for group in found.groups)
        assert total == pytest.approx(getattr(found.total, name), rel=1e-12)


def test_a_channel_whose_orders_are_worth_twice_is_told() -> None:
    """Search has orders of 20, feed of 10: the one constant of the campaign would not tell them apart."""
    bought = drawn(days=14, worth=(10.0, 10.0, 20.0))
    (pair,) = roi_model(bought, "channel").comparisons
    assert (pair.group, pair.against, pair.verdict) == ("feed", "search", "less")
    assert pair.difference.low is not None
    assert pair.difference.high is not None
    assert pair.difference.low < -0.5 < pair.difference.high
    flat = replace(bought, value=12.0 * bought.converted)
    assert roi_model(flat, "channel").comparisons[0].verdict == "cannot be told"


def test_few_days_and_groups_without_value_say_why() -> None:
    (pair,) = roi_model(drawn(days=3), "channel").comparisons
    assert (pair.verdict, pair.difference.why) == ("cannot be told", "3 days: an interval takes 5")
    bought = drawn()
    hours = roi_model(replace(bought, value=np.where(bought.segment == 2, 0.0, bought.value)), "channel")
    assert hours.comparisons[0].difference.why == "no value or no money"
    assert roi_model(bought, "total").comparisons == ()
    alone = replace(bought, value=np.where((bought.segment == 2) & (bought.day > 0), 0.0, bought.value))
    assert roi_model(alone, "channel").comparisons[0].difference.why == "all of it is of one day"


def test_a_few_expected_conversions_have_an_interval() -> None:
    """What was expected of three hundred exposures is as sure as their number, be it three conversions or thirty."""
    bought = drawn(each=30)
    few = replace(bought, converted=bought.kpi[:, 2] / 10, value=bought.kpi[:, 2], valued=Valued.expected)
    found = roi_model(few, "channel")
    assert found.total.conversions == pytest.approx(3.0)
    assert found.total.roi.known
    assert found.comparisons[0].difference.known
    assert not roi_model(replace(few, valued=Valued.constant), "channel").total.roi.known


def test_many_groups_are_compared_with_the_others() -> None:
    bought = replace(drawn(), slot=np.arange(3000) % 24, slots=24)
    found = roi_model(bought, "hour")
    assert [c.against for c in found.comparisons] == ["the others"] * 24
    assert found.groups[5].group == "05"


def test_a_channel_that_bought_nothing_has_its_row_and_no_comparison() -> None:
    bought = replace(drawn(), segments=("feed/head", "feed/tail", "feed/other", "search/head"))
    found = roi_model(bought, "channel")
    assert [group.group for group in found.groups] == ["feed", "search"]
    assert found.comparisons == ()
    search = found.of("search")
    assert (search.spend, search.roi.value, search.payback_days) == (0.0, None, None)


def test_user_tiers_that_a_part_of_the_segments_name_tells_have_a_return_each() -> None:
    bought = drawn(days=14, worth=(10.0, 10.0, 30.0))
    found = roi_model(replace(bought, segments=("feed/new", "search/new", "loyal/head")), "user")
    assert [group.group for group in found.groups] == ["new", "loyal"]
    assert found.comparisons[0].verdict == "less"
    untold = replace(bought, segments=("feed/new", "feed/head", "search/head")).by("user")
    assert untold.groups == ("new", UNTOLD)


def test_hours_are_those_in_which_a_slot_begins() -> None:
    assert roi_model(drawn(), "hour").by == By.hour
    assert [group.group for group in roi_model(drawn(), "hour").groups] == ["00", "06", "12", "18"]


def test_a_day_that_was_not_played_is_left_out_of_everything() -> None:
    bought = drawn()
    half = bought.of_days(np.arange(10) % 2 == 0)
    assert half.days == bought.days[::2]
    assert np.array_equal(half.by().spend[:, 0], bought.by().spend[::2, 0])
    with pytest.raises(NothingBought):
        bought.of_days(np.zeros(10, np.bool_))


def test_events_are_counted_by_group() -> None:
    bought = drawn()
    assert bought.funnel is not None
    events = bought.by("source").events()
    assert {name: float(count.sum()) for name, count in events.items()}["like"] == bought.funnel[:, 2].sum()
    assert replace(bought, funnel=None).by().events() == {}


def test_payback_is_the_first_day_from_which_value_stays_ahead() -> None:
    one = np.ones(4)
    assert payback(one, np.array([0.0, 3.0, 0.0, 2.0])) == 2
    assert payback(one, np.array([0.0, 2.0, 0.0, 2.0])) == 4  # ahead on the second day, behind on the third
    assert payback(one, np.array([1.0, 1.0, 1.0, 1.0])) == 1
    assert payback(one, np.zeros(4)) is None
    assert payback(np.zeros(4), one) is None


def test_payback_counts_from_the_first_money_in_days_of_the_calendar() -> None:
    spend, value = np.array([0.0, 0.0, 2.0, 1.0, 1.0]), np.array([0.0, 0.0, 0.0, 1.0, 5.0])
    assert payback(spend, value) == 3
    assert payback(spend, value, np.array([0, 1, 2, 3, 9])) == 8  # five days on which nobody was served
    assert payback(spend, 9 * spend) == 1
    early = np.array([9.0, 0.0, 0.0, 0.0, 0.0])
    assert payback(spend, early) == 1


def test_a_channel_that_began_late_is_paid_back_from_its_own_first_day() -> None:
    bought = drawn(worth=(0.0, 0.0, 1e3))
    late = bought.day >= np.where(bought.segment == 2, 8, 0)
    kept = {name: getattr(bought, name)[late] for name in ("day", "slot", "segment", "source", "cost", "kpi",
            "interacted", "converted", "value")}  # fmt: skip
    found = roi_model(replace(bought, **kept, funnel=None, invalid=None), "channel").of("search")
    assert found.payback_days == 1
    holes = tuple(f"2026-03-{day:02d}" for day in (1, 2, 3, 4, 5, 6, 7, 8, 9, 29))
    value = np.where(late & (bought.day < 9), 0.0, bought.value)[late]
    whole = roi_model(replace(bought, **{**kept, "value": value}, days=holes, funnel=None, invalid=None), "channel")
    assert whole.of("search").payback_days == 21


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 10)), min_size=1, max_size=20))
def test_from_payback_on_no_day_is_behind(days: list[tuple[float, float]]) -> None:
    spend, value = np.array(days).T
    found, behind = payback(spend, value), np.cumsum(value) < np.cumsum(spend)
    if found is not None:
        even = int(np.flatnonzero(spend > 0)[0]) + found - 1
        assert not behind[even:].any()
        assert found == 1 or behind[even - 1]
    else:
        assert behind[-1] or not spend.any()
