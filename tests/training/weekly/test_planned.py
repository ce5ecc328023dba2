"""What was planned of days: each campaign by itself, as often as it was there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.errors import InfeasibleCampaign
from bidpilot.envs.markets.defaults import synthetic_forecast
from bidpilot.solvers.allocation import allocate
from bidpilot.training.reporting.evidence import Evidence
from bidpilot.training.reporting.readers.planned import day_of
from bidpilot.training.roi.purchases import Asked
from bidpilot.training.weekly.planned import planned_day
from tests.training.evaluation.conftest import SMALL
from tests.training.roi.written import drawn

FORECAST = synthetic_forecast(SMALL, 0)
CAMPAIGN = Campaign(budget=1.0, conversion_value=12.0)


def test_a_campaign_counts_as_often_as_it_was_there() -> None:
    """One is there on both days, the other on one of them."""
    asked = (Asked(0, "a", 4.0, 12.0), Asked(1, "a", 8.0, 12.0), Asked(0, "b", 2.0, 6.0))
    found = planned_day(FORECAST, CAMPAIGN, replace(drawn(days=2), asked=asked), "the plan")
    a, b = (
        allocate(FORECAST, CAMPAIGN.model_copy(update={"budget": budget, "conversion_value": value}))
        for budget, value in ((6.0, 12.0), (2.0, 6.0))
    )
    assert found is not None
    assert found.spend == pytest.approx(float(a.spend.sum()) + float(b.spend.sum()) / 2)
    assert found.kpi == pytest.approx((a.kpi + b.kpi / 2).tolist())
    assert found.ideal == pytest.approx((a.ideal + b.ideal / 2).tolist())


def test_an_arm_of_an_experiment_is_planned_with_its_part_of_the_traffic() -> None:
    half = planned_day(FORECAST, CAMPAIGN, replace(drawn(days=1), asked=(Asked(0, "a", 2.0, 12.0, 0.5),)), "the plan")
    whole = planned_day(FORECAST, CAMPAIGN, replace(drawn(days=1), asked=(Asked(0, "a", 4.0, 12.0),)), "the plan")
    assert half is not None
    assert whole is not None
    assert np.array(half.kpi) == pytest.approx(np.array(whole.kpi) / 2, rel=1e-3)


def test_plans_that_buy_nothing_or_cannot_be_made_are_no_plan() -> None:
    bought = replace(drawn(days=1), asked=(Asked(0, "a", 4.0, 12.0),))
    nothing = CAMPAIGN.model_copy(update={"max_cpa": 1e-6})
    assert planned_day(FORECAST, nothing, bought, "the plan") is None
    impossible = CAMPAIGN.model_copy(update={"kpi_floors": (0.0, 0.0, 1e9)})
    with pytest.raises(InfeasibleCampaign):
        planned_day(FORECAST, impossible, bought, "the plan")
    assert day_of(FORECAST, impossible, Evidence("decisions", "", (), purchases=bought)) is None
    assert day_of(FORECAST, CAMPAIGN, Evidence("decisions", "", ())) is None
