"""What tells plans apart: every bound of every constraint, by its name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.plan.planner import Planner
from bidpilot.envs.markets.defaults import preset_campaign, preset_forecast

OTHERS: list[dict[str, Any]] = [
    {"max_cpa": 3.0},
    {"max_cpa": 3.1},
    {"min_roi": 3.0},
    {"kpi_floors": (300.0, 0.0, 0.0)},
    {"kpi_floors": (0.0, 30.0, 0.0)},
    {"min_tail_share": 0.3},
    {"channel_caps": {"feed": 8.0}},
    {"channel_caps": {"search": 8.0}},
    {"max_channel_share": {"feed": 0.2}},
    {"max_channel_share": {"search": 0.2}},
    {"reserve": 0.05},
    {},
]


def key(changes: dict[str, Any]) -> tuple[Any, ...]:
    names, numbers = CampaignBatch.repeat(Campaign(budget=40.0, **changes), 1).plan_key()
    return names, numbers.tobytes()


def test_no_two_campaigns_share_a_key() -> None:
    assert len({key(changes) for changes in OTHERS}) == len(OTHERS)


def test_a_row_that_does_not_ask_equals_itself() -> None:
    """NaN would not."""
    campaigns = CampaignBatch.of([Campaign(budget=40.0), Campaign(budget=40.0), Campaign(budget=40.0, max_cpa=3.0)])
    _, numbers = campaigns.plan_key()
    assert len(np.unique(numbers, axis=0)) == 2


@pytest.mark.parametrize("field", ["channel_caps", "max_channel_share"])
def test_a_campaign_bound_on_one_channel_does_not_get_the_plan_of_one_bound_on_another(field: str) -> None:
    """One planner, as serving and the environment keep it from campaign to campaign."""
    planner, bound = Planner(preset_forecast()), 8.0 if field == "channel_caps" else 0.15
    own = preset_campaign()
    multipliers = {
        channel: planner.plan(CampaignBatch.repeat(own.model_copy(update={field: {channel: bound}}), 1))[0].multiplier[
            0
        ]
        for channel in ("feed", "search")
    }
    channel = np.array([name.partition("/")[0] for name in planner.forecast.segments])
    for name, multiplier in multipliers.items():
        assert (multiplier[channel == name] < 0.999).all()
        np.testing.assert_array_equal(multiplier[channel != name], 1.0)
