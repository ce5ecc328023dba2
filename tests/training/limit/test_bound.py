"""Facts about the limit: nobody who does not know the future passes it, and penalties cost such a policy nothing."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.errors import NoLimit
from bidpilot.envs import seeding
from bidpilot.envs.markets.defaults import synthetic_forecast, synthetic_market
from bidpilot.envs.markets.presets import DAILY
from bidpilot.envs.synthetic.config import SyntheticConfig
from bidpilot.training.evaluation.catalogue import SUITES, SuiteRecord
from bidpilot.training.evaluation.play import Arena
from bidpilot.training.evaluation.traffic import unfiltered
from bidpilot.training.limit import day
from bidpilot.training.limit.bound import DayLimits, Relaxation, check_suite
from bidpilot.training.limit.day import Path
from bidpilot.training.limit.levels import BlockLevels
from bidpilot.training.limit.run import PLAYED, play_path

SMALL = {
    "slots": 8,
    "level_slots": 4,
    "traffic_slots": 2,
    "auctions_per_slot": 150.0,
    "budget": 5.0,
    "log_auctions": 60_000,
}
CERTAIN = {
    "arrival_noise": 0.0,
    "day_value_std": 0.0,
    "day_price_std": 0.0,
    "day_traffic_std": 0.0,
    "calibration_std": (0.0, 0.0, 0.0),
    "value_category_halfwidth": 0.0,
    "value_own_halfwidth": 0.0,
    "block_price_std": 0.0,
    "traffic_halfwidth": 0.0,
    "prediction_noise": (0.0, 0.0, 0.0),
}
DAYS = 64


class Case(NamedTuple):
    record: SuiteRecord
    arena: Arena
    ratios: dict[str, NDArray[np.float64]]
    paths: dict[str, Path]

    def limits(self, penalised: bool = True) -> DayLimits:
        return relaxation(self, penalised).limits(self.paths)


def relaxation(of: Case, penalised: bool = True) -> Relaxation:
    return Relaxation(of.arena, of.record, penalised, fit_days=192, nodes=128)


def case(days: int, **effects: object) -> Case:
    config = SyntheticConfig.model_validate(DAILY.model_dump() | SMALL | effects)
    campaign = Campaign(budget=config.budget, conversion_value=config.conversion_value)
    record = SuiteRecord("small", "nothing", config, config, (campaign,))
    check_suite(record)
    market = synthetic_market(config, seeding.LOG_HELD_OUT, 0)
    drawn = market.days(np.random.default_rng(3).random((days, market.draws)))
    arena = Arena(market, synthetic_forecast(config, 0), campaign, drawn, filter_of=unfiltered)
    played = {name: play_path(arena, name) for name in PLAYED}
    return Case(record, arena, {n: p[0] for n, p in played.items()}, {n: p[1] for n, p in played.items()})


@pytest.fixture(scope="module")
def uneven() -> Case:
    """Days whose levels vary as those of `daily`."""
    return case(DAYS)


@pytest.fixture(scope="module")
def limits(uneven: Case) -> DayLimits:
    return uneven.limits()


@pytest.fixture(scope="module")
def calm() -> Case:
    """Days that only their auctions tell apart."""
    return case(24, **CERTAIN)


def error(values: NDArray[np.float64]) -> float:
    return float(values.std() / np.sqrt(len(values)))


def test_no_policy_passes_the_bound_on_any_day(limits: DayLimits) -> None:
    for name in PLAYED:
        assert (limits.bound - limits.penalised[name]).min() > -2e-4, name  # actions lie on a grid of scales


def test_the_bound_is_above_what_policies_have_and_below_what_hindsight_has(uneven: Case, limits: DayLimits) -> None:
    for name in PLAYED:
        own = uneven.ratios[name]
        assert own.mean() < limits.bound.mean() + 2 * error(own - limits.bound), name
    assert limits.bound.mean() < 1.0


def test_penalties_have_mean_zero_for_policies_that_do_not_know_the_future(limits: DayLimits) -> None:
    for name in PLAYED:
        penalty = limits.penalty[name]
        assert penalty.std() > 0.01  # there is something to be told by
        assert abs(penalty.mean()) < 3 * error(penalty), name


def test_what_levels_bring_beyond_the_mean_has_mean_zero_at_every_amount_and_scale(uneven: Case) -> None:
    ground = relaxation(uneven).ground
    uniforms = np.random.default_rng(11).random((400, ground.market.draws))
    levels = BlockLevels.of(ground.market.config, ground.market.levels(uniforms))
    _, factor = ground.tilt.of(ground.nodes, levels)
    assert abs(factor.mean() - 1.0) < 4 * error(factor)
    tables = [ground.tables(levels, d).surprise[:, 40:160:40, 30:90:20] for d in range(len(factor))]
    weighed = np.stack(tables) * factor[:, None, None, None]
    far = np.abs(weighed.mean(axis=0)) / (weighed.std(axis=0) / np.sqrt(len(weighed)) + 1e-12)
    assert far.max() < 4.5


def test_a_finer_grid_of_money_hardly_raises_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    few = relaxation(case(12))
    found = few.limits({}).bound
    monkeypatch.setattr(day, "AMOUNTS", 4 * day.AMOUNTS)
    assert 0.0 <= (few.limits({}).bound - found).mean() < 4e-4  # a win costs a hundredth of these small budgets


def test_without_penalties_it_is_the_hindsight_optimum(calm: Case) -> None:
    found = calm.limits(penalised=False)
    # One scale buys it where predictions are true; the last auction is not bought in part.
    np.testing.assert_allclose(found.bound, 1.0, atol=0.01)
    assert all((penalty == 0.0).all() for penalty in found.penalty.values())


def test_penalties_leave_less_than_hindsight_has_where_auctions_alone_are_uncertain(calm: Case) -> None:
    known, told = calm.limits(), calm.limits(penalised=False)
    # The best policy is one scale all day, which is what the dynamic programme's comes to.
    room = known.bound - known.penalised["knowable"]
    assert 0.0 < room.mean() < (told.bound - calm.ratios["knowable"]).mean()


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("shift", "platform_shock_probability"),
        ("sparse", "2 campaigns"),
        ("won_only", ""),
        ("delayed", "bids are held"),
        ("week", ""),
        ("invalid", "invalid_rate"),
        ("balanced", "8 campaigns"),
        ("persistent", "bad_source_share"),
        ("worlds", "many markets"),
        ("rivals", "who answer"),
        ("steady", ""),
    ],
)
def test_suites_that_the_bound_does_not_hold_for_are_refused(name: str, why: str) -> None:
    if not why:
        check_suite(SUITES[name])
        return
    with pytest.raises(NoLimit, match=why):
        check_suite(SUITES[name])


@pytest.mark.parametrize(
    ("terms", "why"),
    [({"max_cpa": 3.0}, "constraints"), ({"auction": "first"}, "first price"), ({"scalarisation": "nash"}, "nash")],
)
def test_campaigns_that_the_bound_does_not_hold_for_are_refused(terms: dict[str, object], why: str) -> None:
    campaign = Campaign.model_validate({"budget": 40.0} | terms)
    with pytest.raises(NoLimit, match=why):
        check_suite(SuiteRecord("own", "nothing", DAILY, DAILY, (campaign,)))
