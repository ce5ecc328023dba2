"""Scenarios change one thing; what is played of them is what they say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidpilot.agents.acting.agent import controller_agent
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.campaign.profile import named_profile
from bidpilot.bidding.errors import UnknownProfile
from bidpilot.envs import seeding
from bidpilot.envs.markets.defaults import synthetic_forecast, synthetic_market
from bidpilot.training.evaluation.play import Arena
from bidpilot.training.experiments.arms import named_arm
from bidpilot.training.simulate.config import SimulateConfig
from bidpilot.training.simulate.outcomes import METRICS, counted_at
from bidpilot.training.simulate.play import play
from bidpilot.training.simulate.scenarios import BASE, Scenario, moved, scenarios
from tests.training.evaluation.conftest import SMALL
from tests.training.simulate.conftest import CAMPAIGN

ALL = np.ones(3, np.bool_)


def config_of(**changes: object) -> SimulateConfig:
    return SimulateConfig.model_validate({"file": Path("c.yaml"), **changes})


def test_each_scenario_changes_one_thing() -> None:
    campaign = Campaign.model_validate({**CAMPAIGN, "min_roi": 2.0})
    found = {s.name: s for s in scenarios(campaign, config_of(profiles=("conversion-first",)), ALL)}
    assert found[BASE].campaign == campaign
    assert found["budget -20%"].campaign == campaign.model_copy(update={"budget": 3.2})
    assert found["max_cpa +10%"].campaign.max_cpa == pytest.approx(3.3)
    assert found["min_roi -5%"].campaign.min_roi == pytest.approx(1.9)
    assert found["conversion-first"].campaign.preference == named_profile("conversion-first").preference
    assert all(s.campaign == campaign for s in found.values() if s.group == "rates")
    groups = [s.group for s in found.values()]
    counts = {group: groups.count(group) for group in dict.fromkeys(groups)}
    assert counts == {"base": 1, "budget": 4, "max_cpa": 4, "min_roi": 4, "preference": 4, "rates": 4}
    # nothing is asked of what the campaign or the forecast does not have
    bare = scenarios(Campaign(budget=1.0, preference=(1.0, 0.0, 0.0)), config_of(), np.array([True, False, False]))
    assert {s.group for s in bare} == {"base", "budget"}
    with pytest.raises(UnknownProfile):
        scenarios(campaign, config_of(profiles=("nothing",)), ALL)


@given(st.lists(st.floats(0.0, 1.0), min_size=3, max_size=3), st.integers(0, 2), st.floats(0.01, 0.99))
def test_weight_moves_to_one_kpi_from_the_others_by_their_share(raw: list[float], kpi: int, share: float) -> None:
    weights = np.array(raw) + 1e-3
    weights /= weights.sum()
    found = np.array(moved(weights.tolist(), kpi, share))
    assert found.sum() == pytest.approx(1.0)
    assert found[kpi] == pytest.approx(min(1.0, weights[kpi] + share))
    others = np.arange(3) != kpi
    assert found[others] * weights[others][::-1] == pytest.approx(found[others][::-1] * weights[others])
    assert (found >= 0).all()


@pytest.fixture(scope="module")
def market():  # type: ignore[no-untyped-def]
    market = synthetic_market(SMALL, seeding.LOG_HELD_OUT, 0)
    return market, synthetic_forecast(SMALL, 0), market.days(np.random.default_rng(5).random((12, market.draws)))


@pytest.mark.parametrize("terms", [{"max_cpa": 3.0}, {"scalarisation": "nash", "min_tail_share": 0.4}])
def test_the_campaign_as_it_is_is_what_evaluate_plays(market, terms) -> None:  # type: ignore[no-untyped-def]
    market, forecast, days = market
    campaign = Campaign.model_validate({"budget": 4.0, "conversion_value": 12.0, **terms})
    arena = Arena(market, forecast, campaign, days)
    outcome = arena.play(controller_agent("mpc"))
    played = play(
        market, forecast, days, scenarios(campaign, config_of(budgets=(0.1,)), ALL)[:2], named_arm("mpc", "daily", "x")
    )
    np.testing.assert_allclose(played.spend[0, arena.kept] / 4.0, outcome.spend_share, rtol=1e-12)
    np.testing.assert_allclose(played.utility[0, arena.kept] / arena.reference, outcome.ratio, rtol=1e-9)
    ideal = arena.episode.today.ideal
    np.testing.assert_allclose((played.kpi[0] / ideal)[arena.kept], outcome.reached, rtol=1e-12)


def test_scenarios_side_by_side_are_what_each_is_alone(market) -> None:  # type: ignore[no-untyped-def]
    market, forecast, days = market
    asked = config_of(budgets=(0.2,), targets=(-0.1,), rates=(0.1,))
    found = scenarios(Campaign.model_validate(CAMPAIGN), asked, ALL)
    arm = named_arm("mpc", "daily", "x")
    together = play(market, forecast, days, found, arm)
    for k in (2, len(found) - 1):
        alone = play(market, forecast, days, (found[k],), arm)
        assert together.spend[k].tolist() == alone.spend[0].tolist()
        assert together.kpi[k].tolist() == alone.kpi[0].tolist()
        assert together.tail_wins[k].tolist() == alone.tail_wins[0].tolist()
    assert (together.spend <= [[s.campaign.budget] for s in found]).all()
    for metric in METRICS:
        assert together.of_day(metric).shape == (len(found), 12)
    some = together.at(np.array([1, 4]))
    assert some.of_day("roi").tolist() == together.of_day("roi")[:, [1, 4]].tolist()


@pytest.mark.parametrize("terms", [{"max_cpa": 3.0}, {"min_roi": 4.0}])
def test_other_rates_are_days_whose_values_are_multiplied(market, terms) -> None:  # type: ignore[no-untyped-def]
    """What is played in the market's own rates is what a market and a forecast of twice the rates would bring."""
    market, forecast, days = market
    campaign = Campaign.model_validate({"budget": 4.0, "conversion_value": 12.0, **terms})
    arm = named_arm("mpc", "daily", "x")
    told = play(market, forecast, days, (Scenario("rates", "x2", 1.0, campaign, 2.0),), arm)
    land = forecast.landscape
    doubled = replace(forecast, landscape=replace(land, value=land.value * np.array([1.0, 2.0, 2.0])))
    richer = replace(days, value_scale=days.value_scale * np.float32(2.0))
    direct = play(market, doubled, richer, (Scenario("base", BASE, 0.0, campaign),), arm)
    np.testing.assert_allclose(told.spend, direct.spend, rtol=1e-9)
    np.testing.assert_allclose(told.kpi, direct.kpi, rtol=1e-6)
    for metric in ("cpa", "roi"):
        np.testing.assert_allclose(told.of_day(metric), direct.of_day(metric), rtol=1e-6)


def test_counts_at_other_rates_have_the_mean_and_the_variance_of_poisson() -> None:
    rng = np.random.default_rng(0)
    expected = np.full((1, 40_000), 9.0)
    counted = rng.poisson(expected).astype(float)
    for rate in (0.5, 1.0, 2.0):
        found = counted_at(expected, counted, np.array([[rate]]))
        assert found.mean() == pytest.approx(9.0 * rate, rel=0.01)
        assert found.var() == pytest.approx(9.0 * rate, rel=0.04)
    assert counted_at(np.array([[9.0]]), np.zeros((1, 1)), np.array([[0.5]])) == 0.0
