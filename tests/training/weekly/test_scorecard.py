"""The scorecard: days within limits, cost and utility against the plan, each by the rule that stands beside it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.training.weekly.planned import Planned
from bidpilot.training.weekly.scorecard import RULES, Limits, scorecard
from tests.training.roi.written import drawn

NONE = Limits(max_invalid_share=None, pace=None)


def test_compliance_is_the_share_of_days_within_each_limit() -> None:
    """Days cost 300 each but for two of ten, which cost twice: they miss all but the tail share."""
    bought = drawn()
    cost = np.where(bought.day < 2, 2.0, 1.0)
    bought = replace(bought, cost=cost, budget=np.full(10, 320.0))
    limits = Limits(min_roi=0.8, max_cpa=12.0, min_tail_share=0.1, pace=(0.9, 1.0), max_invalid_share=0.5)
    card = scorecard(bought, limits)
    lines = {line.name: line for line in card.of("compliance")}
    kept = {name: line.score for name, line in lines.items()}
    assert kept == {
        "ROI": 0.8, "cost per conversion": 0.8, "long-tail share": 1.0, "invalid share": 1.0, "pace": 0.8,
    }  # fmt: skip
    assert card.compliance == pytest.approx(np.mean(list(kept.values())))
    assert lines["pace"].value.value == pytest.approx(cost.sum() / 3200)
    assert "at most" in lines["cost per conversion"].rule
    assert (card.cost, card.efficiency) == (None, None)


def test_a_day_of_too_little_spend_misses_the_pace_too() -> None:
    bought = replace(drawn(), cost=np.ones(3000), budget=np.full(10, 400.0))
    assert scorecard(bought, replace(NONE, pace=(0.9, 1.0))).compliance == 0.0
    unknown = replace(bought, budget=np.full(10, np.nan))
    assert scorecard(unknown, replace(NONE, pace=(0.9, 1.0))).compliance is None


def test_cost_and_efficiency_are_held_against_the_plan() -> None:
    bought = replace(drawn(), cost=np.ones(3000))  # a day of 300 buys 150, 60 and 30
    plan = Planned(600.0, (360.0, 120.0, 30.0), (0.5, 0.5, 0.0), (720.0, 240.0, 100.0), "the plan")
    card = scorecard(bought, NONE, plan)
    lines = {line.name: line for line in card.of("cost")}
    assert set(lines) == {"exposure", "interaction"}  # the KPIs that are weighed
    assert lines["exposure"].target == pytest.approx(600 / 360)
    assert lines["exposure"].score == pytest.approx((600 / 360) / 2.0)
    assert lines["interaction"].score == pytest.approx(1.0)
    assert card.cost == pytest.approx((600 / 360 / 2.0 + 1.0) / 2)
    (line,) = card.of("efficiency")
    planned = (0.5 * 360 / 720 + 0.5 * 120 / 240) / 600
    assert line.target == pytest.approx(planned)
    assert card.efficiency == pytest.approx((0.5 * 150 / 720 + 0.5 * 60 / 240) / 300 / planned)


def test_where_days_were_played_efficiency_is_the_share_of_the_optimum() -> None:
    plan = Planned(600.0, (0.0, 120.0, 30.0), (0.5, 0.5, 0.0), (0.0, 240.0, 100.0), "the plan")
    card = scorecard(drawn(), NONE, plan, np.linspace(0.8, 0.9, 10))
    assert card.efficiency == pytest.approx(0.85)
    assert [line.name for line in card.of("efficiency")] == ["R / R*", "utility per money"]
    nothing = card.of("cost")[0]
    assert (nothing.score, nothing.why) == (None, "nothing planned or bought")


def test_days_that_cannot_be_judged_are_in_no_share() -> None:
    bought = drawn()
    card = scorecard(replace(bought, kpi=0 * bought.kpi), replace(NONE, max_cpa=5.0))
    (line,) = card.of("compliance")
    assert (line.score, line.days, line.why) == (None, 0, "no day can be judged")
    assert card.compliance is None


def test_a_return_is_not_judged_where_no_conversion_says_what_one_is_worth() -> None:
    bought = drawn()
    none = replace(bought, converted=0 * bought.converted, value=0 * bought.value)
    card = scorecard(none, replace(NONE, min_roi=1.5))
    (line,) = card.of("compliance")
    assert (line.score, line.days, line.target) == (None, 0, 1.5)
    assert line.why == "no conversion came, so that nobody knows what one is worth"
    assert card.compliance is None


def test_the_limits_are_the_campaigns() -> None:
    asked = Campaign(budget=1.0, min_roi=1.5, max_cpa=3.0, min_tail_share=0.2)
    assert Limits.of(asked, (0.5, 1.0), 0.2) == Limits(1.5, 3.0, 0.2, 0.2, (0.5, 1.0))
    assert Limits.of(Campaign(budget=1.0)) == Limits()
    assert set(RULES) == {"compliance", "cost", "efficiency"}
