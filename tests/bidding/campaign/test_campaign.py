"""Facts about campaigns: what is refused before any work, and how a day's record replaces the campaign's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from bidpilot.bidding.campaign.batch import CampaignBatch, own_bounds, without_soft_bounds
from bidpilot.bidding.campaign.campaign import Campaign, Delays
from bidpilot.bidding.campaign.scalarisation import Scalarisation
from bidpilot.bidding.errors import InvalidCampaign


@pytest.mark.parametrize("name", ["budget", "conversion_value", "max_cpa", "min_roi"])
@pytest.mark.parametrize("value", [0.0, -3.0, float("nan"), float("inf")])
def test_amounts_are_positive_and_finite(name: str, value: float) -> None:
    with pytest.raises(InvalidCampaign, match=name):
        Campaign.model_validate({"budget": 1.0} | {name: value})


@pytest.mark.parametrize("name", ["min_tail_share", "reserve"])
@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_shares_lie_between_0_and_1(name: str, value: float) -> None:
    with pytest.raises(InvalidCampaign, match=name):
        Campaign.model_validate({"budget": 1.0, name: value})


@pytest.mark.parametrize("floors", [(-1.0, 0.0, 0.0), (0.0, float("nan"), 0.0), (0.0, 0.0, float("inf"))])
def test_floors_are_finite_and_not_negative(floors: tuple[float, float, float]) -> None:
    with pytest.raises(InvalidCampaign, match="kpi_floors"):
        Campaign(budget=1.0, kpi_floors=floors)


@pytest.mark.parametrize(
    "changes", [{"bugdet": 1.0}, {"auction": "third"}, {"feedback": "none"}, {"delays": {"win": 1}}]
)
def test_unknown_keys_and_choices_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Campaign.model_validate({"budget": 1.0} | changes)


def test_a_days_record_replaces_what_it_knows_and_nothing_else() -> None:
    campaign = Campaign(budget=10.0, conversion_value=2.0, scalarisation=Scalarisation.nash, delays=Delays(wins=3))
    batch = CampaignBatch.repeat(campaign, 3, np.array([np.nan, 5.0, 7.0]), np.array([np.nan, np.nan, 4.0]))
    np.testing.assert_array_equal(batch.budget, [10.0, 5.0, 7.0])
    np.testing.assert_array_equal(batch.conversion_value, [2.0, 2.0, 4.0])
    assert (batch.kind == Scalarisation.nash.code).all()
    assert (batch.win_delay == 3).all()
    assert not batch.bounds
    assert len(batch) == 3


def test_a_recorded_target_is_its_days_where_the_campaign_asks_for_none_and_an_asked_one_is_that_of_every_day() -> None:
    recorded = {"max_cpa": np.array([np.nan, 6.0])}
    free = CampaignBatch.repeat(Campaign(budget=1.0, min_roi=2.0), 2, bounds=recorded)
    np.testing.assert_array_equal(free.bounds["max_cpa"], [np.nan, 6.0])
    np.testing.assert_array_equal(free.bounds["min_roi"], [2.0, 2.0])
    assert (free.asked(0), free.asked(1)) == ({"min_roi": 2.0}, {"min_roi": 2.0, "max_cpa": 6.0})
    asked = CampaignBatch.repeat(Campaign(budget=1.0, max_cpa=5.0), 2, bounds=recorded)
    np.testing.assert_array_equal(asked.bounds["max_cpa"], [5.0, 5.0])
    nothing = CampaignBatch.repeat(Campaign(budget=1.0), 2, bounds={"max_cpa": np.full(2, np.nan)})
    assert not nothing.bounds
    with pytest.raises(InvalidCampaign, match="max_cpa must be positive"):
        CampaignBatch.repeat(Campaign(budget=1.0), 2, bounds={"max_cpa": np.array([np.nan, 0.0])})


def test_targets_stand_alone_unless_something_hard_is_asked_for() -> None:
    asked: tuple[dict[str, Any], ...] = (
        {},
        {"max_cpa": 3.0},
        {"max_cpa": 3.0, "min_roi": 1.0},
        {"channel_caps": {"feed": 1.0}},
        {"reserve": 0.05},
    )
    batch = CampaignBatch.of([Campaign.model_validate({"budget": 1.0} | terms) for terms in asked])
    assert batch.targets_alone.tolist() == [True, True, False, False, False]
    campaign = Campaign(budget=2.0, max_cpa=3.0, min_roi=1.5)
    assert without_soft_bounds(campaign) == Campaign(budget=2.0, min_roi=1.5)
    assert own_bounds(campaign) == {"max_cpa": 3.0, "min_roi": 1.5}


@pytest.mark.parametrize("bad", [0.0, -1.0, np.inf])
def test_an_unusable_recorded_budget_is_refused(bad: float) -> None:
    with pytest.raises(InvalidCampaign, match="budget"):
        CampaignBatch.repeat(Campaign(budget=1.0), 2, budget=np.array([1.0, bad]))


def test_batches_in_a_row_keep_every_row_and_leave_channels_free_that_only_others_cap() -> None:
    first = CampaignBatch.repeat(Campaign(budget=2.0, channel_caps={"feed": 1.0}, max_cpa=3.0), 2)
    second = CampaignBatch.repeat(Campaign(budget=5.0, channel_caps={"search": 4.0}, preference=(1.0, 0.0, 0.0)), 1)
    both = CampaignBatch.concatenate([first, second])
    assert len(both) == 3
    np.testing.assert_array_equal(both.budget, [2.0, 2.0, 5.0])
    np.testing.assert_array_equal(both.preference, [(0.2, 0.3, 0.5), (0.2, 0.3, 0.5), (1.0, 0.0, 0.0)])
    np.testing.assert_array_equal(both.bounds["max_cpa"], [3.0, 3.0, np.nan])
    np.testing.assert_array_equal(both.bounds["cap/feed"], [1.0, 1.0, np.nan])
    np.testing.assert_array_equal(both.bounds["cap/search"], [np.nan, np.nan, 4.0])
    np.testing.assert_array_equal(both.steers_segments, [True, True, True])


def test_no_batch_is_refused() -> None:
    with pytest.raises(InvalidCampaign, match="at least one"):
        CampaignBatch.concatenate([])
