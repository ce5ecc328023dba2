"""Facts about allocations: constraints hold, more freedom never hurts, duals are prices, and the fast path agrees."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import pytest

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.campaign.scalarisation import Scalarisation, utility
from bidpilot.bidding.campaign.segments import is_tail
from bidpilot.bidding.constraints.together import constraint_of
from bidpilot.bidding.errors import (
    BidpilotError,
    InfeasibleCampaign,
    InvalidCampaign,
    SolverFailed,
    SolverUnavailable,
    UnknownChannel,
)
from bidpilot.bidding.landscape.binned import forecast_auctions
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.plan.dual import solve_dual
from bidpilot.envs.markets.defaults import preset_campaign, preset_forecast
from bidpilot.solvers.allocation import Allocation, allocate, backend, plan_problem, program
from bidpilot.solvers.allocation.program import compiled

LIMITS: dict[str, dict[str, Any]] = {
    "budget": {},
    "reserve": {"reserve": 0.06},
    "cpa": {"max_cpa": 3.0},
    "roi": {"min_roi": 3.9},
    "floor": {"preference": (1.0, 0.0, 0.0), "kpi_floors": (0.0, 0.0, 9.5)},
    "tail": {"min_tail_share": 0.5},
    "cap": {"channel_caps": {"feed": 8.0}},
    "all": {
        "max_cpa": 3.1,
        "min_tail_share": 0.4,
        "channel_caps": {"feed": 10.0, "search": 12.0},
        "kpi_floors": (300.0, 0.0, 9.0),
        "reserve": 0.05,
    },
}
KINDS = list(Scalarisation)


def campaign(**changes: Any) -> Campaign:
    return Campaign(**{**preset_campaign().model_dump(), **changes})


@lru_cache(maxsize=64)
def _solved(name: str, kind: Scalarisation) -> Allocation:
    return allocate(preset_forecast(), campaign(scalarisation=kind, **LIMITS[name]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", LIMITS)
def test_the_plan_exceeds_no_constraint_and_is_optimal(name: str, kind: Scalarisation) -> None:
    plan, asked = _solved(name, kind), campaign(**LIMITS[name])
    slight = 1 + 1e-6
    spend, wins = plan.spend.sum(axis=0), plan.wins.sum(axis=0)
    assert spend.sum() <= asked.budget * (1 - asked.reserve) * slight
    assert spend.sum() <= (asked.max_cpa or np.inf) * plan.kpi[2] * slight
    assert (asked.min_roi or 0.0) * spend.sum() <= asked.conversion_value * plan.kpi[2] * slight
    assert (plan.kpi * slight >= asked.kpi_floors).all()
    assert wins[is_tail(plan.segments)].sum() * slight >= (asked.min_tail_share or 0.0) * wins.sum()
    for channel, cap in asked.channel_caps.items():
        assert sum(s for s, of in zip(spend, plan.segments, strict=True) if of.startswith(channel)) <= cap * slight
    assert plan.status == "optimal"
    assert plan.fallback is None
    assert 0.0 <= plan.gap < 1e-5  # the multipliers certify it
    assert all(
        dual.utility_per_unit == 0 or dual.attained == pytest.approx(dual.bound, rel=1e-4) for dual in plan.duals
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", LIMITS)
def test_the_vectorised_dual_agrees_with_the_programs_multipliers(name: str, kind: Scalarisation) -> None:
    problem = plan_problem(preset_forecast(), campaign(scalarisation=kind, **LIMITS[name]))
    fast = solve_dual(problem.scaled, problem.rows, problem.preference, kind.code)
    exact = np.array(list(_solved(name, kind).row_duals.values()))
    np.testing.assert_allclose(fast.rows, exact, atol=1e-3 * exact.max())
    assert fast.utility == pytest.approx(_solved(name, kind).utility, rel=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", [n for n in LIMITS if n not in ("budget", "floor")])
def test_removing_a_constraint_never_lowers_the_optimum(name: str, kind: Scalarisation) -> None:
    assert _solved("budget", kind).utility >= _solved(name, kind).utility * (1 - 1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_more_budget_never_lowers_the_optimum(kind: Scalarisation) -> None:
    kpi = [allocate(preset_forecast(), campaign(scalarisation=kind, budget=b)) for b in (10.0, 20.0, 40.0, 400.0)]
    ideal = kpi[-1].ideal
    w = np.array([preset_campaign().preference])
    values = [utility(k.kpi[None], ideal[None], w, np.array([kind.code]))[0] for k in kpi]
    assert (np.diff(values) > 0).all()


@pytest.mark.parametrize(
    ("name", "field", "dual"),
    [("cpa", "max_cpa", "max_cpa"), ("tail", "min_tail_share", "min_tail_share"), ("roi", "min_roi", "min_roi")],
)
def test_a_1_percent_change_is_priced_between_the_duals_before_and_after(name: str, field: str, dual: str) -> None:
    """On one set of bins: the optimum is concave in the bounds, and the duals are its slopes."""
    before = campaign(**LIMITS[name])
    problem = plan_problem(preset_forecast(), before)
    terms = problem.terms
    results = []
    bound = getattr(before, field)
    for value in (bound, bound * 1.01):
        moved = [constraint_of(r.name).moved(r.name, value, terms) if r.name == dual else r for r in problem.rows]
        solved, _ = program.solve(problem.shape, problem.scaled, moved, problem.preference)
        totals = solved.purchase.totals
        kpi, spend, wins = (e.value for e in (totals.kpi, totals.spend, totals.wins))
        per = {
            "max_cpa": next(r for r in moved if r.name == dual).value[2] * kpi[2] / value,
            "min_roi": -spend.sum(),
            "min_tail_share": -wins.sum() / terms.auctions_per_budget,
        }[dual]
        assert constraint_of(dual).per_unit(dual, terms, spend, kpi, wins) == pytest.approx(per, rel=1e-9)
        results.append((float(solved.problem.value), solved.prices()[dual] * per))
    change = results[1][0] - results[0][0]
    slopes = sorted(r[1] * bound * 0.01 for r in results)
    assert slopes[0] - 1e-6 <= change <= slopes[1] + 1e-6


def test_a_little_more_budget_is_priced_between_the_duals_before_and_after() -> None:
    problem = plan_problem(preset_forecast(), campaign())
    values, prices = [], []
    for bound in (1.0, 1.01):
        rows = [problem.rows[0]._replace(bound=bound)]
        solved, _ = program.solve(problem.shape, problem.scaled, rows, problem.preference)
        values.append(float(solved.problem.value))
        prices.append(solved.prices()["budget"])
    assert prices[1] * 0.01 - 1e-9 <= values[1] - values[0] <= prices[0] * 0.01 + 1e-9


@pytest.mark.parametrize("j", [0, 1, 2])
def test_with_one_kpi_the_scalarisations_agree(j: int) -> None:
    preference = [0.0, 0.0, 0.0]
    preference[j] = 1.0
    plans = [allocate(preset_forecast(), campaign(preference=preference, scalarisation=kind)) for kind in KINDS]
    for plan in plans:
        assert plan.utility == pytest.approx(plans[0].utility, rel=1e-6)
        np.testing.assert_allclose(plan.alpha, plans[0].alpha, rtol=2e-3)


def test_what_conflicts_is_named_with_what_would_mend_it() -> None:
    asked = campaign(max_cpa=0.8, kpi_floors=(0.0, 0.0, 5.0))
    with pytest.raises(InfeasibleCampaign, match="max_cpa and floor/conversion") as caught:
        allocate(preset_forecast(), asked)
    assert [c.name for c in caught.value.conflicts] == ["max_cpa", "floor/conversion"]
    for conflict in caught.value.conflicts:
        assert conflict.needed is not None
        field = {"max_cpa": conflict.needed} if conflict.name == "max_cpa" else {"kpi_floors": (0, 0, conflict.needed)}
        mended = allocate(preset_forecast(), campaign(**{**asked.model_dump(), **field}))
        assert mended.status == "optimal"
        dual = next(d for d in mended.duals if d.name == conflict.name)
        assert dual.attained == pytest.approx(conflict.needed, rel=0.02)  # no more than was needed


def test_floors_on_kpis_without_preference_are_met_without_waste() -> None:
    """Bins made for exposure alone would not know what interaction costs."""
    ideal = _solved("budget", Scalarisation.weighted_sum).ideal
    floors = (0.0, 0.88 * ideal[1], 0.655 * ideal[2])
    plan = allocate(preset_forecast(), campaign(preference=(1.0, 0.0, 0.0), kpi_floors=floors))
    assert plan.kpi[1] == pytest.approx(floors[1], rel=1e-6)
    assert plan.utility > 0.97


def test_a_floor_that_no_budget_reaches_says_so() -> None:
    with pytest.raises(InfeasibleCampaign, match=r"budget \(now 40\) cannot mend it alone"):
        allocate(preset_forecast(), campaign(kpi_floors=(0.0, 0.0, 50.0)))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("target", [0.15, 0.2])
def test_a_target_just_above_the_cheapest_auctions_is_planned_without_a_warning(target: float) -> None:
    """A projected step may end where the marginal utilities are next to 0, whose square is none."""
    plan = allocate(preset_forecast(), campaign(scalarisation="chebyshev", max_cpa=target))
    assert plan.utility > 0
    assert plan.gap < 1e-6


@pytest.mark.parametrize("budget", [1e-6, 1e-4, 1e-2])
def test_an_ideal_point_of_a_part_of_one_auction_is_what_the_best_auctions_bring(budget: float) -> None:
    """By sorting all auctions of the day by what they bring for their price, without any grid of scales."""
    on = preset_forecast()
    day = forecast_auctions(on)
    count = np.multiply.outer(on.auctions, day.weight)
    price = np.multiply.outer(on.price_curve, day.price)
    asked = campaign(budget=budget)
    plan, unit = allocate(on, asked), on.kpi_unit(asked.conversion_value)
    assert plan.utility <= 1.0
    for j in range(3):
        order = np.argsort(-(day.value[:, j] / price).ravel())
        paid = np.cumsum((count * price).ravel()[order])
        brought = np.cumsum((count * day.value[:, j]).ravel()[order])
        most = np.interp(budget, np.append(0.0, paid), np.append(0.0, brought))
        assert plan.ideal[j] * unit[j] == pytest.approx(most, rel=0.15)


def test_a_floor_far_beyond_the_market_is_mended_by_what_the_market_has() -> None:
    """Elastic rows in units of such a floor lose what the market has below their tolerance."""
    needed = []
    for floor in (60.0, 1e5, 1e10):
        with pytest.raises(InfeasibleCampaign) as caught:
            allocate(preset_forecast(), campaign(kpi_floors=(0.0, 0.0, floor)))
        (found,) = [c.needed for c in caught.value.conflicts if c.name == "floor/conversion"]
        assert found is not None
        needed.append(found)
    assert needed[1:] == pytest.approx([needed[0]] * 2, rel=2e-3)
    assert allocate(preset_forecast(), campaign(kpi_floors=(0.0, 0.0, needed[2]))).utility > 0


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"min_tail_share": 1.2}, InvalidCampaign, "share between 0 and 1"),
        ({"budget": 0.0}, InvalidCampaign, "budget must be positive"),
        ({"channel_caps": {"feeds": 3.0}}, UnknownChannel, "feed, search, challenge, external"),
        ({"channel_caps": {"feed": 0.0}}, InvalidCampaign, "above 0"),
    ],
)
def test_bad_campaigns_are_named_errors(changes: dict[str, Any], error: type[BidpilotError], message: str) -> None:
    with pytest.raises(error, match=message):
        allocate(preset_forecast(), campaign(**changes))


def test_a_solver_that_is_not_installed_is_a_named_error() -> None:
    with pytest.raises(SolverUnavailable, match="MOSEK is not installed"):
        allocate(preset_forecast(), campaign(), solver="MOSEK")


def test_a_solver_that_fails_falls_back_once_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def failing(problem: object, solver: str) -> str:
        tried.append(solver)
        if solver == backend.LINEAR:
            raise SolverFailed("HIGHS failed (numerical trouble)")
        return backend.attempt(problem, solver)

    monkeypatch.setattr(program, "attempt", failing)
    plan = allocate(preset_forecast(), campaign())
    assert tried == [backend.LINEAR, backend.CONIC]
    assert plan.solver == backend.CONIC
    assert plan.fallback == "HIGHS failed (numerical trouble)"
    assert plan.utility == pytest.approx(_solved("budget", Scalarisation.weighted_sum).utility, rel=1e-6)


def test_a_program_is_compiled_once_per_shape() -> None:
    first, second = (plan_problem(preset_forecast(), campaign(budget=b)).shape for b in (20.0, 60.0))
    assert compiled(first) is compiled(second)


def test_segments_without_auctions_do_not_break_it(even: Forecast) -> None:
    plan = allocate(even, campaign(budget=10.0, conversion_value=1.0, preference=(0.0, 0.0, 1.0)))
    assert plan.spend[:, 0].sum() == pytest.approx(10.0, rel=1e-6)  # all of it in the one segment that has any
    assert plan.spend[:, 1].sum() == 0.0
    assert forecast_auctions(even) is forecast_auctions(even)


def test_under_rates_a_return_alone_is_of_the_campaigns_own_money(even: Forecast) -> None:
    """The n cheapest of a hundred prices bring 1.6 n conversions for 0.02 n (n + 1): at worth 4, 39 return 8."""
    rates = replace(even, conversion_value=2.5)
    asked: dict[str, Any] = {"budget": 50.0, "preference": (0.0, 0.0, 1.0)}
    held = allocate(rates, campaign(conversion_value=4.0, min_roi=8.0, **asked))
    assert held.kpi[2] == pytest.approx(1.6 * 39, rel=3e-3)
    assert held.spend.sum() == pytest.approx(0.02 * 39 * 40, rel=5e-3)
    (attained,) = (d.attained for d in held.duals if d.name == "min_roi")
    assert attained == pytest.approx(8.0, rel=1e-3)
    cheap, dear = (allocate(rates, campaign(conversion_value=worth, max_cpa=0.45, **asked)) for worth in (4.0, 40.0))
    np.testing.assert_array_equal(dear.alpha, cheap.alpha)
    np.testing.assert_array_equal(dear.spend, cheap.spend)
    assert cheap.spend.sum() / cheap.kpi[2] == pytest.approx(0.45, rel=1e-3)


def test_a_batch_row_is_what_its_campaign_is() -> None:
    assert CampaignBatch.repeat(campaign(**LIMITS["all"]), 2).constrained.all()
    assert not CampaignBatch.repeat(campaign(), 2).constrained.any()
