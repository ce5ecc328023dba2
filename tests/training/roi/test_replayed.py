"""Exposures listed one by one are those that clearing has counted, whatever the price, the gate and the budget."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bidpilot.agents.acting.agent import controller_agent
from bidpilot.bidding.campaign.campaign import Delays
from bidpilot.envs import seeding
from bidpilot.envs.markets.defaults import synthetic_forecast, synthetic_market
from bidpilot.envs.markets.presets import BOTS
from bidpilot.envs.synthetic.config import SyntheticConfig
from bidpilot.training.evaluation.play import Arena
from bidpilot.training.roi.played import Played, played
from bidpilot.training.roi.rows import Rows
from tests.training.evaluation.conftest import CAMPAIGN, SMALL

FILTERED = SyntheticConfig(**BOTS.model_dump() | {"auctions_per_slot": 60.0, "budget": 8.0, "log_auctions": 40_000})
NAMES = tuple(f"day {k + 1}" for k in range(4))


def play(market: SyntheticConfig, **terms: Any) -> tuple[Arena, Played]:
    made = synthetic_market(market, seeding.LOG_HELD_OUT, 0)
    days = made.days(np.random.default_rng(5).random((len(NAMES), made.draws)))
    arena = Arena(made, synthetic_forecast(market, 0), CAMPAIGN.model_copy(update=terms), days)
    return arena, played(arena, controller_agent("mpc"), "small", Rows.numbered(len(NAMES)))


@pytest.mark.parametrize(
    ("market", "terms"),
    [
        (SMALL, {}),
        (SMALL, {"auction": "first"}),
        (SMALL, {"budget": 0.4}),
        (SMALL, {"budget": 400.0}),
        (SMALL, {"budget": 0.4, "delays": Delays(wins=6)}),
        (SMALL, {"delays": Delays(wins=6)}),
        (SMALL, {"auction": "first", "delays": Delays(wins=6)}),
        (FILTERED, {}),
        (FILTERED, {"auction": "first"}),
    ],
    ids=["second", "first", "tight", "plenty", "late-tight", "late", "late-first", "filtered", "filtered-first"],
)
def test_the_exposures_listed_are_those_that_clearing_counted(market: SyntheticConfig, terms: dict[str, Any]) -> None:
    arena, found = play(market, **terms)
    bought = found.purchases
    spend = arena.campaigns.budget - arena.episode.left
    np.testing.assert_allclose(np.bincount(bought.day, bought.cost, len(NAMES)), spend, rtol=1e-6)
    expected = np.stack([np.bincount(bought.day, column, len(NAMES)) for column in bought.kpi.T], axis=1)
    np.testing.assert_allclose(expected, arena.episode.kpi, rtol=1e-5)
    assert found.course.spent[:, -1] * arena.campaigns.budget == pytest.approx(spend)
    requests = found.offered.by_source.sum()
    assert found.offered.why["won"] == len(bought)
    assert sum(found.offered.why.values()) == requests
    assert found.offered.refused is not None
    assert found.offered.by_segment.sum() + found.offered.refused.sum() == requests
    assert bought.cost.sum() <= arena.campaigns.budget.sum()


def test_what_is_refused_and_what_is_invalid_is_counted() -> None:
    _, found = play(FILTERED)
    offered = found.offered
    assert offered.invalid is not None
    assert offered.invalid_refused is not None
    assert 0 <= offered.invalid_refused <= offered.invalid
    assert offered.why["refused as invalid traffic"] == offered.refused.sum()  # type: ignore[union-attr]
    assert found.purchases.invalid is not None
    # exposures that are invalid bring nothing
    assert not found.purchases.kpi[found.purchases.invalid].any()


def test_rows_of_one_unit_are_one_day_of_the_report() -> None:
    arena, one = play(SMALL)
    both = played(arena, controller_agent("mpc"), "small", Rows(("a", "a", "b", "b"), NAMES, ("",) * 4))
    assert both.purchases.days == ("a", "b")
    assert both.purchases.budget.tolist() == [8.0, 8.0]
    assert both.ratio.tolist() == pytest.approx([one.ratio[:2].mean(), one.ratio[2:].mean()])
    assert both.course.labels == NAMES
    assert both.events is not None
    assert one.events is not None
    assert both.events[0].tolist() == one.events[:2].sum(axis=0).tolist()
