"""The week against the week before: which days are paired, what is called different, and whether a gain lasted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from bidpilot.bidding.errors import TooFewDays
from bidpilot.training.roi.intervals import Verdict
from bidpilot.training.roi.purchases import Purchases
from bidpilot.training.weekly.weeks import Difference, WeekComparison, compare_weeks, paired_days
from bidpilot.training.weekly.weighed import Weighed
from tests.training.roi.written import drawn

EQUAL = Weighed((0.2, 0.3, 0.5), "asked for")
DATES = tuple((date(2026, 3, 1) + timedelta(days=k)).isoformat() for k in range(21))


def weeks(levels: Sequence[float], seed: int = 0, noise: float = 0.02) -> Purchases:
    """Weeks whose expected KPIs per money are at these levels, on a strong weekday's and a day's own level."""
    rng, days = np.random.default_rng(seed), 7 * len(levels)
    bought = drawn(days=days, each=100, seed=seed)
    weekday = np.tile(rng.lognormal(0.0, 0.5, 7), len(levels))
    level = np.repeat(levels, 7) * weekday * rng.lognormal(0.0, noise, days)
    return replace(bought, kpi=bought.kpi * level[bought.day][:, None], days=DATES[:days], cost=np.ones(len(bought)))


def of(week: WeekComparison, measure: str) -> Difference:
    return {difference.measure: difference for difference in week.differences}[measure]


def test_days_are_paired_a_week_apart_where_they_have_dates() -> None:
    holes = [day for k, day in enumerate(DATES) if k not in (3, 19)]  # one day of the first week, one of the last
    now, before, first = paired_days(holes)
    assert [holes[k] for k in now] == [DATES[k] for k in (14, 15, 16, 17, 18, 20)]
    assert [holes[k] for k in before] == [DATES[k] for k in (7, 8, 9, 10, 11, 13)]
    assert [None if k is None else holes[k] for k in first] == [DATES[0], DATES[1], DATES[2], None, DATES[4], DATES[6]]
    assert paired_days(DATES, until=DATES[13])[0] == list(range(7, 14))
    places = [f"unit {k}" for k in range(9)]
    assert paired_days(places) == ([7, 8], [0, 1], [None, None])
    with pytest.raises(TooFewDays, match="2026-03-01 to 2026-03-21"):
        paired_days(DATES, until="2026-04-01")


def test_a_rise_of_a_tenth_is_told_through_weekdays_that_differ_by_half() -> None:
    week = compare_weeks(weeks([1.0, 1.1]), EQUAL)
    assert week.utility.verdict is Verdict.more
    assert week.utility.change.value == pytest.approx(0.1, abs=0.03)
    assert of(week, "expected conversion").verdict is Verdict.more
    assert of(week, "expected cost per conversion").verdict is Verdict.less
    spend = of(week, "spend")
    assert spend.change.value == pytest.approx(0.0)
    assert spend.verdict is Verdict.unknown  # equal but for rounding
    assert week.told.startswith("this week's money bought more than the week before's; there is no week before these")
    assert len(week.daily[0]) == len(week.daily[1]) == 7


def test_equal_weeks_are_called_different_as_rarely_as_they_should() -> None:
    different = sum(
        compare_weeks(weeks([1.0, 1.0], seed, noise=0.2), EQUAL).utility.verdict is not Verdict.unknown
        for seed in range(100)
    )
    assert different <= 11  # 5 expected


@pytest.mark.parametrize(
    ("levels", "told"),
    [
        ([1.0, 1.2, 1.2], "the week before's gain lasted"),
        ([1.0, 1.2, 1.0], "bought less than the week before's; the week before's gain was lost"),
        ([1.0, 1.0, 1.2], "the week before had no proven gain"),
        ([1.0, 1.2, 1.1], "bought less than the week before's; the week before's gain lasted"),
    ],
)
def test_whether_a_gain_lasted_is_told_by_the_week_before_it(levels: list[float], told: str) -> None:
    assert told in compare_weeks(weeks(levels), EQUAL).told


def test_a_noisy_last_week_leaves_it_open_whether_a_gain_lasted() -> None:
    bought = weeks([1.0, 1.3, 1.15])
    wild = np.where(bought.day >= 14, np.where(bought.day % 2 == 0, 0.3, 1.7), 1.0)
    week = compare_weeks(replace(bought, kpi=bought.kpi * wild[:, None]), EQUAL)
    assert week.told.endswith("whether the week before's gain lasted cannot be told")


def test_too_few_days_or_conversions_are_said_plainly() -> None:
    bought = weeks([1.0, 1.1])
    some = compare_weeks(bought.of_days(np.isin(np.arange(14), [0, 1, 2, 7, 8, 9])), EQUAL, until=DATES[9])
    assert some.utility.verdict is Verdict.unknown
    assert some.utility.change.why == "3 pairs of days: an interval takes 5"
    assert "cannot be told (3 pairs of days" in some.told
    few = compare_weeks(replace(bought, converted=0.01 * bought.converted), EQUAL)
    assert of(few, "cost per conversion").change.why is not None
    assert "conversions in one of the weeks" in str(of(few, "ROI").change.why)
    none = compare_weeks(replace(bought, converted=0 * bought.converted), EQUAL)
    assert of(none, "conversions").change.why == "nothing in one of the weeks"
    lone = replace(bought, value=np.where(bought.day == 3, bought.value, np.where(bought.day > 6, bought.value, 0.0)))
    assert of(compare_weeks(lone, EQUAL), "value").change.why == "all of a week is of one day"


def test_one_week_has_nothing_to_be_held_against() -> None:
    with pytest.raises(TooFewDays, match="Give two weeks"):
        compare_weeks(weeks([1.0]), EQUAL)
