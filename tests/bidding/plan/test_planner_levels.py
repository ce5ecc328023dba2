"""Plans for days whose blocks differ, where the spend expected of what is to come is known in closed form."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.landscape import curves
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.plan.planner import Planner

UP, DOWN = 2.0, 0.5


def later_spend(forecast: Forecast, bid: float) -> tuple[float, float]:
    """Spend expected of the whole day at a bid on the mean auction, with the day's level unknown and known."""
    campaign = Campaign(budget=50.0, conversion_value=1.0, preference=(0.0, 0.0, 1.0))
    plan, _ = Planner(forecast).plan(CampaignBatch.repeat(campaign, 1))
    x = plan.scale + np.log2(bid / plan.alpha[:, 2])
    return tuple(float(curves.lookup(c[:, 0], x)[0]) for c in (plan.later_unknown, plan.later_known))  # type: ignore[return-value]


@pytest.fixture
def swinging(even: Forecast) -> Forecast:
    """Days with one block of values an octave up and one an octave down: no day differs from another."""
    history = even.history.copy()
    history[:, :2, :3], history[:, 2:, :3] = UP, DOWN
    return replace(even, history=history)


def test_days_that_never_vary_are_expected_alike_whether_known_or_not(even: Forecast) -> None:
    """Bids of 0.35 on 400 auctions priced evenly on 0 .. 1 cost 200 * 0.35 ** 2 = 24.5."""
    unknown, known = later_spend(even, 0.35)
    assert unknown == pytest.approx(24.5, rel=0.04)
    assert known == pytest.approx(24.5, rel=0.04)


def test_a_block_differs_more_from_its_day_than_from_the_mean_that_it_is_part_of(swinging: Forecast) -> None:
    """A day's mean is made from its own two blocks, which hides half of their variance: sqrt(2) octaves, not 1.

    Bids of 0.35 are 0.7 and 0.175 where the day's level is unknown: 100 * (0.7 ** 2 + 0.175 ** 2) = 52.1; and
    0.35 * 2 ** 1.414 = 0.933 and 0.35 / 2 ** 1.414 = 0.131 where it is known: 100 * (0.933 ** 2 + 0.131 ** 2) = 88.7.
    """
    unknown, known = later_spend(swinging, 0.35)
    assert unknown == pytest.approx(52.1, rel=0.04)
    assert known == pytest.approx(88.7, rel=0.04)


def test_what_makes_whole_days_differ_is_gone_once_the_day_is_known(even: Forecast) -> None:
    """Days an octave up and down; their blocks are alike: (400 / 2) * (0.7 ** 2 + 0.175 ** 2) / 2 and 24.5."""
    history = np.ones((2, 4, 5))
    history[0, :, :3], history[1, :, :3] = UP, DOWN
    unknown, known = later_spend(replace(even, history=history, observed=np.ones((2, 4), np.bool_)), 0.35)
    assert unknown == pytest.approx(52.1, rel=0.04)
    assert known == pytest.approx(24.5, rel=0.04)
