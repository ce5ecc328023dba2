"""The re-plan on days known in closed form: in a slot of `even`, bids of p cost 50 p ** 2; the plan bids 0.5."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.day.beliefs import Posterior
from bidpilot.bidding.day.replan import Replanner
from bidpilot.bidding.day.statistics import PRICE, TRAFFIC, VALUE
from bidpilot.bidding.landscape.forecast import BidLandscape, Forecast
from bidpilot.bidding.plan.planner import Planner

GRID_ERROR = 0.03  # octaves: prices are hundredths, curves have 8 points to the octave


def replanner(forecast: Forecast, rows: int = 1) -> Replanner:
    campaign = Campaign(budget=50.0, conversion_value=1.0, preference=(0.0, 0.0, 1.0))
    plan, index = Planner(forecast).plan(CampaignBatch.repeat(campaign, rows))
    return Replanner(forecast, plan, index)


def believed(day: dict[int, float] | None = None, block: dict[int, float] | None = None) -> Posterior:
    """Levels in octaves over the forecast; the block's are the day's where none are given."""
    levels = np.zeros((2, 3, 1))
    for array, given in ((levels[0], day), (levels[1], day if block is None else block)):
        for kind, octaves in (given or {}).items():
            array[kind] = octaves
    return Posterior(day=levels[0], block=levels[1], trust=np.full((3, 1), 0.5))


def scale(forecast: Forecast, t: int, left: float, levels: Posterior) -> float:
    return float(replanner(forecast).scale(levels, np.array([left]), t)[0])


@pytest.mark.parametrize(
    ("t", "left", "octaves"),
    [
        (0, 50.0, 0.0),  # four slots of 12.5, as planned
        (0, 12.5, -1.0),  # 200 p ** 2 = 12.5: p = 0.25
        (2, 25.0, 0.0),  # two slots of 12.5 are left
        (2, 12.5, -0.5),  # 100 p ** 2 = 12.5: p = 0.5 / sqrt(2)
        (1, 37.5, 0.0),  # one slot of the block under way and two later ones
        (1, 9.375, -1.0),  # 150 p ** 2 = 9.375: p = 0.25
        (3, 50.0, 1.0),  # 50 p ** 2 = 50: p = 1 wins everything
    ],
)
def test_what_is_left_is_spread_over_what_is_to_come(even: Forecast, t: int, left: float, octaves: float) -> None:
    assert scale(even, t, left, believed()) == pytest.approx(octaves, abs=GRID_ERROR)


@pytest.mark.parametrize(
    ("level", "octaves"),
    [
        ({VALUE: 1.0}, -1.0),  # values twice as high: half of the scale makes the same bids
        ({TRAFFIC: 1.0}, -0.5),  # twice the auctions: 200 p ** 2 = 25, p = 0.5 / sqrt(2)
        ({PRICE: 1.0}, 0.5),  # prices twice as high: 100 p ** 2 / 2 = 25, p = 0.5 * sqrt(2)
        ({VALUE: 1.0, TRAFFIC: -1.0}, -0.5),  # 50 p ** 2 = 25, p = 0.5 * sqrt(2), at half of the scale
    ],
)
def test_levels_believed_of_the_day_move_the_scale(even: Forecast, level: dict[int, float], octaves: float) -> None:
    assert scale(even, 2, 25.0, believed(level)) == pytest.approx(octaves, abs=GRID_ERROR)


def test_a_block_under_way_goes_by_its_own_level_and_later_ones_by_the_days(even: Forecast) -> None:
    """Twice the traffic in the one slot left of the block: (100 + 100) p ** 2 = 50 at p = 0.5."""
    assert scale(even, 1, 50.0, believed({}, {TRAFFIC: 1.0})) == pytest.approx(0.0, abs=GRID_ERROR)
    # a block that has not begun counts as a later one, whatever is said of it
    assert scale(even, 2, 25.0, believed({}, {TRAFFIC: 1.0})) == pytest.approx(0.0, abs=GRID_ERROR)


def test_each_row_follows_its_own_money(even: Forecast) -> None:
    levels = Posterior(*(np.zeros((3, 2)) for _ in range(3)))
    got = replanner(even, 2).scale(levels, np.array([50.0, 12.5]), 0)
    np.testing.assert_allclose(got, [0.0, -1.0], atol=GRID_ERROR)


def made(auctions: list[float], price_curve: list[float]) -> Forecast:
    slots = len(auctions)
    return Forecast(
        landscape=BidLandscape(np.ones(1), np.ones((1, 3)), np.zeros(1, np.int16), np.ones(1)),
        auctions=np.array(auctions),
        price_curve=np.array(price_curve),
        history=np.ones((1, slots, 5)),
        observed=np.ones((1, slots), np.bool_),
        level_slots=slots,
        segments=("feed/head",),
    )


def test_the_rest_of_a_block_is_weighted_by_its_demand() -> None:
    """Slots of 10, 20, 30 auctions at price levels 1, 2, 4 in one block: from slot 1 on, 20 * 2 + 30 * 4 = 160.

    Their shift is (40 * log2(2) + 120 * log2(4)) / 160 = 280 / 160 octaves.
    """
    forecast = made(auctions=[10.0, 20.0, 30.0], price_curve=[1.0, 2.0, 4.0])
    assert forecast.rest_of_block[0] == (0.0, 0.0)
    assert forecast.rest_of_block[1] == (160.0, 1.75)
    assert forecast.rest_of_block[2] == (120.0, 2.0)
    quiet = replace(forecast, auctions=np.array([10.0, 0.0, 0.0]))
    assert quiet.rest_of_block[1] == (0.0, 0.0)
