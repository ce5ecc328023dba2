"""Each constraint by hand: its row at round numbers, its excess on totals, what a unit of its bound is worth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.constraints.base import Terms
from bidpilot.bidding.constraints.catalogue import CATALOGUE
from bidpilot.bidding.constraints.row import Row
from bidpilot.bidding.constraints.together import (
    MISSABLE,
    PRICED,
    channel_most,
    constraint_of,
    demanded_kpis,
    hard_rows,
    held_back,
    least_tail_share,
    missed,
    rows_of,
    score_factor,
    target_cost,
    tightened,
)
from bidpilot.bidding.constraints.totals import DayTotals
from bidpilot.bidding.errors import InfeasibleCampaign

SEGMENTS = ("feed/head", "feed/tail", "search/head", "search/tail")
ALL: dict[str, Any] = {
    "max_cpa": 4.0,
    "min_roi": 3.0,
    "kpi_floors": (50.0, 0.0, 6.0),
    "min_tail_share": 0.25,
    "channel_caps": {"search": 20.0},
    "reserve": 0.125,
}


def terms(ideal: tuple[float, float, float] = (200.0, 40.0, 160.0), unit: float = 16.0, **asked: Any) -> Terms:
    """A budget of 40 at 16 a conversion; the ideal point has 10 conversions."""
    batch = CampaignBatch.repeat(Campaign(budget=40.0, conversion_value=16.0, **asked), 1)
    return batch.terms(0, SEGMENTS, np.array(ideal), np.array([1.0, 1.0, unit]), 0.5)


def totals(**changes: Any) -> DayTotals:
    """One day: 20 spent for 100 exposures, 8 interactions and 4 conversions; 50 wins, 10 of them on the tail."""
    plain: dict[str, Any] = {
        "spend": np.array([20.0]),
        "kpi": np.array([[100.0, 8.0, 4.0]]),
        "wins": np.array([50.0]),
        "tail_wins": np.array([10.0]),
        "channel_spend": np.array([[5.0, 15.0]]),
        "channels": ("feed", "search"),
        "conversion_value": np.array([16.0]),
    }
    return DayTotals(**{**plain, **changes})


def test_every_row_by_hand() -> None:
    rows = {row.name: row for row in rows_of(terms(**ALL))}
    assert list(rows) == [
        "budget", "max_cpa", "min_roi", "floor/exposure", "floor/conversion", "min_tail_share", "cap/search",
    ]  # fmt: skip
    none, ones = np.zeros(4), np.ones(4)
    want = {
        "budget": (ones, (0.0, 0.0, 0.0), none, 0.875),
        "max_cpa": (ones, (0.0, 0.0, 1.0), none, 0.0),  # 10 conversions at 4 each are one budget
        "min_roi": (3.0 * ones, (0.0, 0.0, 4.0), none, 0.0),  # 10 conversions are worth four budgets
        "floor/exposure": (none, (1.0, 0.0, 0.0), none, -0.25),
        "floor/conversion": (none, (0.0, 0.0, 1.0), none, -0.6),
        "min_tail_share": (none, (0.0, 0.0, 0.0), np.array([0.5, -1.5, 0.5, -1.5]), 0.0),
        "cap/search": (np.array([0.0, 0.0, 1.0, 1.0]), (0.0, 0.0, 0.0), none, 0.5),
    }
    for name, (money, value, wins, bound) in want.items():
        np.testing.assert_allclose(rows[name].money, money, err_msg=name)
        np.testing.assert_allclose(rows[name].value, value, err_msg=name)
        np.testing.assert_allclose(rows[name].wins, wins, err_msg=name)
        assert rows[name].bound == pytest.approx(bound), name


def test_where_the_forecast_holds_conversions_at_another_worth_a_return_alone_keeps_the_campaigns() -> None:
    """The same 10 conversions, held at 8 each: the cost target and the floor stay, and so does money of its own."""
    held_at_8 = {row.name: row for row in rows_of(terms((200.0, 40.0, 80.0), unit=8.0, **ALL))}
    for row in rows_of(terms(**ALL)):
        np.testing.assert_allclose(held_at_8[row.name].value, row.value, err_msg=row.name)
        assert held_at_8[row.name].bound == pytest.approx(row.bound), row.name
    assert held_at_8["min_roi"].value[2] == pytest.approx(4.0)  # 10 conversions at 16 are four budgets


@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("budget", 1 / 40),
        ("max_cpa", 0.5 * 10 / 40),  # five conversions at one more each, in budgets
        ("min_roi", -0.8),
        ("floor/exposure", -1 / 200),
        ("floor/conversion", -1 / 10),
        ("min_tail_share", -0.3 / 0.5),
        ("cap/search", 1 / 40),
    ],
)
def test_what_a_unit_more_of_a_bound_gives_way(name: str, want: float) -> None:
    """At 0.8 budgets spent, half of each ideal point and 0.3 of the day's auctions won."""
    spend, kpi, wins = np.array([0.2, 0.2, 0.3, 0.1]), np.full(3, 0.5), np.array([0.1, 0.1, 0.05, 0.05])
    assert constraint_of(name).per_unit(name, terms(**ALL), spend, kpi, wins) == pytest.approx(want)


@pytest.mark.parametrize(
    ("kind", "asked", "excess", "attained"),
    [
        ("max_cpa", {"max_cpa": 4.0}, 0.25, 5.0),
        ("max_cpa", {"max_cpa": 5.0}, 0.0, 5.0),
        ("min_roi", {"min_roi": 4.0}, 0.25, 3.2),
        ("kpi_floors", {"kpi_floors": (0.0, 0.0, 6.0)}, 0.5, 4.0),
        ("min_tail_share", {"min_tail_share": 0.25}, 0.25, 0.2),
        ("channel_caps", {"channel_caps": {"search": 12.0}}, 0.25, 15.0),
    ],
)
def test_what_a_day_misses_in_shares_and_in_own_units(
    kind: str, asked: dict[str, Any], excess: float, attained: float
) -> None:
    bounds = CampaignBatch.repeat(Campaign(budget=40.0, **asked), 1).bounds
    found = missed(bounds, totals())
    assert found[kind] == pytest.approx(excess)
    assert all(not other.any() for name, other in found.items() if name != kind)
    (name,) = bounds
    assert constraint_of(name).attained(name.partition("/")[2], totals()) == pytest.approx(attained)


def test_the_worst_of_several_bounds_counts_and_nothing_asked_misses_nothing() -> None:
    campaigns = CampaignBatch.of(
        [Campaign(budget=1.0, kpi_floors=(110.0, 10.0, 0.0)), Campaign(budget=1.0, max_cpa=1.0)]
    )
    both = totals(
        spend=np.full(2, 20.0), kpi=np.tile([100.0, 8.0, 0.0], (2, 1)), wins=np.full(2, 50.0),
        tail_wins=np.full(2, 10.0), channel_spend=np.tile([5.0, 15.0], (2, 1)), conversion_value=np.ones(2),
    )  # fmt: skip
    found = missed(campaigns.bounds, both)
    np.testing.assert_allclose(found["kpi_floors"], [0.25, 0.0])
    np.testing.assert_allclose(found["max_cpa"], [0.0, 1.0])  # spent without a conversion


def test_a_missed_target_costs_the_square_of_what_is_missing() -> None:
    campaigns = CampaignBatch.of([Campaign(budget=40.0, max_cpa=4.0), Campaign(budget=40.0)])
    factor = score_factor(campaigns.bounds, np.array([20.0, 20.0]), np.tile([0.0, 0.0, 4.0], (2, 1)))
    assert factor is not None
    np.testing.assert_allclose(factor, [0.64, 1.0])  # 16 of 20 allowed
    kept = score_factor(campaigns.bounds, np.array([16.0, 16.0]), np.tile([0.0, 0.0, 4.0], (2, 1)))
    assert kept is not None
    np.testing.assert_array_equal(kept, [1.0, 1.0])
    assert (
        score_factor(CampaignBatch.repeat(Campaign(budget=1.0, min_roi=2.0), 1).bounds, np.ones(1), np.ones((1, 3)))
        is None
    )


def test_what_is_asked_of_steering() -> None:
    campaigns = CampaignBatch.of(
        [
            Campaign(budget=40.0, conversion_value=12.0, max_cpa=5.0, min_roi=3.0, min_tail_share=0.3),
            Campaign(budget=40.0, conversion_value=12.0, channel_caps={"feed": 7.0}, reserve=0.05),
        ]
    )
    worth = campaigns.conversion_value
    np.testing.assert_array_equal(target_cost(campaigns.bounds, worth), [4.0, np.inf])
    np.testing.assert_array_equal(target_cost(campaigns.bounds, worth, soft_alone=True), [5.0, np.inf])
    np.testing.assert_array_equal(least_tail_share(campaigns.bounds, 2), [0.3, 0.0])
    np.testing.assert_array_equal(held_back(campaigns.bounds, 2), [0.0, 0.05])
    np.testing.assert_array_equal(campaigns.steers_segments, [True, True])
    caps = channel_most(campaigns.bounds, ("feed", "search"), np.array([40.0, 40.0]))
    np.testing.assert_array_equal(caps, [[np.inf, np.inf], [7.0, np.inf]])


def test_room_is_kept_of_what_is_soft_alone() -> None:
    bounds = CampaignBatch.repeat(Campaign(budget=40.0, max_cpa=5.0, min_roi=3.0), 1).bounds
    told = tightened(bounds, 0.1)
    assert {name: float(b[0]) for name, b in told.items()} == {"max_cpa": 4.5, "min_roi": 3.0}


def test_the_target_is_no_hard_row_and_not_priced() -> None:
    assert [row.name for row in hard_rows(terms(max_cpa=4.0, min_roi=3.0))] == ["min_roi"]
    assert set(MISSABLE) - set(PRICED) == {"max_cpa"}


def test_bins_know_the_kpis_that_bounds_speak_of() -> None:
    assert demanded_kpis(["min_roi"]).tolist() == [False, False, True]
    assert demanded_kpis(["floor/interaction", "cap/feed"]).tolist() == [False, True, False]


def test_a_floor_of_what_the_forecast_has_none_of_is_refused() -> None:
    with pytest.raises(InfeasibleCampaign, match="no interaction"):
        rows_of(terms(ideal=(200.0, 0.0, 160.0), kpi_floors=(0.0, 1.0, 0.0)))


def test_features_stand_in_the_order_of_the_catalogue() -> None:
    names = [feature.name for constraint in CATALOGUE for feature in constraint.features]
    assert names == ["has_max_cpa", "cpa_slack", "has_tail_share", "tail_share", "tail_slack"]


def test_features_measure_the_distance_to_the_bounds() -> None:
    campaigns = CampaignBatch.repeat(Campaign(budget=40.0, max_cpa=10.0, min_tail_share=0.25), 1)
    columns = {feature.name: np.zeros(1) for constraint in CATALOGUE for feature in constraint.features}
    for constraint in CATALOGUE:
        constraint.begin(campaigns.bounds, columns)
        constraint.observe(campaigns.bounds, totals(), columns)
    got = {name: float(column[0]) for name, column in columns.items()}
    want = {"has_max_cpa": 1.0, "cpa_slack": 0.5, "has_tail_share": 1.0, "tail_share": 0.2, "tail_slack": -0.05}
    assert got == pytest.approx(want)  # a cost of 5 is half of 10: one octave


@pytest.mark.parametrize(
    ("row", "floor"),
    [
        (Row("a", np.zeros(2), np.array([0.0, 2.0, 0.0]), np.zeros(2), -1.0), 1),
        (Row("b", np.ones(2), np.array([0.0, 2.0, 0.0]), np.zeros(2), -1.0), None),
        (Row("c", np.zeros(2), np.array([1.0, 2.0, 0.0]), np.zeros(2), -1.0), None),
        (Row("d", np.zeros(2), np.array([0.0, 2.0, 0.0]), np.zeros(2), 0.0), None),
    ],
)
def test_a_row_that_asks_for_one_kpi_alone_is_a_floor(row: Row, floor: int | None) -> None:
    assert row.floor_of == floor
