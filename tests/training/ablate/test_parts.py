"""What `adaptive` is without each of its parts: the part is gone, and the rest is as it was."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.day.adaptive import UNLIKE
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.plan.demand import DOUBTS
from bidpilot.bidding.plan.outlook import Outlook, outlook
from bidpilot.bidding.plan.planner import Planner
from bidpilot.training.ablate.parts import PARTS, Part

CAMPAIGN = Campaign(budget=50.0, conversion_value=1.0, preference=(0.0, 0.0, 1.0))


@pytest.fixture
def varied(even: Forecast) -> Forecast:
    """Training days of one level each, about a mean log level below 0."""
    levels = np.broadcast_to(np.array([0.6, 1.0, 1.4])[:, None, None], even.history.shape)
    return replace(even, history=levels)


@pytest.mark.parametrize("name", PARTS)
def test_only_the_part_is_left_out(name: str, varied: Forecast) -> None:
    plan, index = Planner(varied).plan(CampaignBatch.repeat(CAMPAIGN, 1))
    part, whole = PARTS[name], outlook(varied, plan)
    found = part.outlook(varied, plan)
    changed = {
        field.name
        for field in fields(Outlook)
        if field.name != "demand" and not np.array_equal(getattr(found, field.name), getattr(whole, field.name))
    }
    assert changed == {"adaptive_means": {"usual"}, "adaptive_duals": {"later", "blind"}}.get(name, set())
    replanner: Any = part.replanner_of(None, None, None, varied, plan, index)  # type: ignore[arg-type]
    assert replanner.unlike.any() == part.mixture
    doubts = {"adaptive_curves": {"other"}, "adaptive_mixture": {"unlike"}, "adaptive_recent": {"recent"}}
    assert {f for f in DOUBTS._fields if getattr(part.doubts, f) != getattr(DOUBTS, f)} == doubts.get(name, set())


def test_nothing_left_out_is_adaptive_itself(varied: Forecast) -> None:
    plan, index = Planner(varied).plan(CampaignBatch.repeat(CAMPAIGN, 1))
    replanner: Any = Part("nothing").replanner_of(None, None, None, varied, plan, index)  # type: ignore[arg-type]
    assert replanner.unlike is UNLIKE
    whole, found = outlook(varied, plan), Part("nothing").outlook(varied, plan)
    for name in ("later", "blind", "usual"):
        np.testing.assert_array_equal(getattr(found, name), getattr(whole, name))
