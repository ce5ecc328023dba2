"""Facts about multipliers: complementary to the constraints they price, and refused where nothing is feasible."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.scalarisation import Scalarisation
from bidpilot.bidding.errors import InfeasibleCampaign, UnknownChannel
from bidpilot.bidding.landscape import curves
from bidpilot.bidding.plan.budget_plan import BudgetPlan
from bidpilot.bidding.plan.planner import Planner
from bidpilot.envs.markets.defaults import preset_campaign, preset_forecast


def planned(**changes: Any) -> BudgetPlan:
    campaign = preset_campaign().model_copy(update=changes)
    return Planner(preset_forecast()).plan(CampaignBatch.repeat(campaign, 1))[0]


@pytest.mark.parametrize("kind", list(Scalarisation))
def test_a_limit_that_does_not_bind_is_free_and_changes_nothing(kind: Scalarisation) -> None:
    free, loose = planned(scalarisation=kind), planned(scalarisation=kind, max_cpa=20.0, channel_caps={"feed": 39.0})
    assert loose.duals[0]["max_cpa"] < 1e-6
    assert loose.duals[0]["cap/feed"] < 1e-6
    np.testing.assert_allclose(loose.alpha, free.alpha, rtol=0.01)
    np.testing.assert_allclose(loose.multiplier, 1.0, atol=1e-6)
    np.testing.assert_allclose(loose.beta, 0.0, atol=1e-9)


@pytest.mark.parametrize("kind", list(Scalarisation))
def test_a_tail_share_moves_bids_from_head_to_tail(kind: Scalarisation) -> None:
    plan = planned(scalarisation=kind, min_tail_share=0.5)
    assert plan.duals[0]["min_tail_share"] > 0.01
    head, tail = plan.beta[0, 0::2], plan.beta[0, 1::2]
    assert (head < 0).all()
    assert (tail > 0).all()
    np.testing.assert_allclose(tail, -head)  # at one half, head pays what tail is given
    wins = plan.by_segment
    assert wins is not None
    x = np.full(8, plan.scale[0])
    won = curves.lookup(wins[0, 0, :, 0], x)
    assert won[1::2].sum() / won.sum() == pytest.approx(0.5, abs=0.01)


def test_a_cap_lowers_its_channel_and_the_budget_goes_elsewhere() -> None:
    plan = planned(channel_caps={"feed": 8.0})
    assert plan.multiplier[0, 0] == plan.multiplier[0, 1] < 0.9
    np.testing.assert_array_equal(plan.multiplier[0, 2:], 1.0)
    assert plan.spend[0, -1] == pytest.approx(40.0, rel=0.01)


def test_a_binding_cost_target_leaves_money() -> None:
    target = 2.5
    plan = planned(preference=(0.0, 0.0, 1.0), max_cpa=target)
    assert plan.spend[0, -1] < 39.0
    assert plan.spend[0, -1] / plan.kpi[0, 2] == pytest.approx(target, rel=0.02)
    assert plan.duals[0]["budget"] < 1e-6 < plan.duals[0]["max_cpa"]


def test_a_reserve_is_not_planned_to_be_spent() -> None:
    assert planned(reserve=0.06).spend[0, -1] == pytest.approx(0.94 * 40.0, rel=5e-3)


def test_a_floor_lifts_its_kpi() -> None:
    free = planned(preference=(1.0, 0.0, 0.0))
    floor = 1.2 * free.kpi[0, 2]
    plan = planned(preference=(1.0, 0.0, 0.0), kpi_floors=(0.0, 0.0, floor))
    assert plan.kpi[0, 2] == pytest.approx(floor, rel=0.01)
    assert plan.kpi[0, 0] < free.kpi[0, 0]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"kpi_floors": (0.0, 0.0, 50.0)}, "budget and floor/conversion"),
        ({"kpi_floors": (0.0, 0.0, 12.0), "max_cpa": 1.0}, "floor/conversion"),
    ],
)
def test_what_cannot_be_kept_together_is_named(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(InfeasibleCampaign, match=named):
        planned(**changes)


def test_a_cap_on_an_unknown_channel_is_refused() -> None:
    with pytest.raises(UnknownChannel, match=r"feeed.*feed, search"):
        planned(channel_caps={"feeed": 5.0})


def test_a_target_far_above_the_plans_cost_is_planned_to_the_bit_as_if_it_were_not_there() -> None:
    free = planned()
    cost = float(free.spend[0, -1] / free.kpi[0, 2])
    far, near, binding = (planned(max_cpa=cost / share) for share in (0.85, 0.95, 1.05))
    for name in ("alpha", "spend", "kpi", "shadow_price", "later_unknown"):
        np.testing.assert_array_equal(getattr(far, name), getattr(free, name), err_msg=name)
    np.testing.assert_allclose(near.alpha, free.alpha, rtol=1e-3)
    assert binding.duals[0]["max_cpa"] > 1e-3
    # A hard constraint beside it is solved for.
    assert "max_cpa" in planned(max_cpa=cost / 0.85, channel_caps={"feed": 5.0}).duals[0]
