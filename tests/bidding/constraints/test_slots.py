"""A row that counts some slots alone, a cap per hour: in the dual, in the program and in hindsight."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy.optimize import linprog

from bidpilot.bidding.campaign.scalarisation import Scalarisation
from bidpilot.bidding.constraints.row import Row
from bidpilot.bidding.plan.dual import _Dual, dual_bound, rule_of, solve_dual
from bidpilot.envs.clearing.day import DayAuctions
from bidpilot.envs.markets.defaults import preset_campaign, preset_forecast
from bidpilot.solvers.allocation import plan_problem
from bidpilot.solvers.allocation.program import solve
from bidpilot.solvers.allocation.rows import shapes
from bidpilot.solvers.hindsight import optimum_of_day
from bidpilot.solvers.hindsight_held import Held

HOUR = slice(38, 40)


@pytest.mark.parametrize("kind", list(Scalarisation))
def test_a_cap_per_hour_is_planned_alike_by_dual_and_program(kind: Scalarisation) -> None:
    forecast = preset_forecast()
    problem = plan_problem(forecast, preset_campaign().model_copy(update={"scalarisation": kind}))
    slots = np.zeros(forecast.slots)
    slots[HOUR] = 1.0
    count = len(forecast.segments)
    whole, _ = solve(problem.shape, problem.scaled, problem.rows, problem.preference)
    priced = np.multiply.outer(problem.scaled.curve, problem.scaled.price)
    usual = (whole.purchase.bought(problem.scaled) * priced)[HOUR].sum()
    cap = Row("hour", np.ones(count), np.zeros(3), np.zeros(count), 0.5 * usual, slots)
    rows = (*problem.rows, cap)
    program, solved = solve(problem.shape._replace(rows=shapes(rows)), problem.scaled, rows, problem.preference)
    assert solved.status == "optimal"
    spend = (program.purchase.bought(problem.scaled) * priced).sum(axis=1)
    assert spend[HOUR].sum() == pytest.approx(0.5 * usual, rel=1e-6)
    assert spend.sum() == pytest.approx(1.0, rel=1e-6)  # the money goes elsewhere
    fast = solve_dual(problem.scaled, rows, problem.preference, kind.code)
    per = program.objective.scale(fast.utility)
    exact = per * np.array(list(program.prices().values()))
    assert exact[1] > 0.01 * exact[0]
    np.testing.assert_allclose(fast.rows, exact, atol=2e-3 * exact.max())
    bound = dual_bound(problem.scaled, rows, problem.preference, kind.code, fast)
    assert fast.utility == pytest.approx(bound, rel=1e-6)
    free = solve_dual(problem.scaled, problem.rows, problem.preference, kind.code)
    assert fast.utility < free.utility * (1 - 1e-6)
    # the day's one rule is charged the hour's price at its mean over the day
    mean = cap.slots is not None and cap.slots.mean()
    assert 1 / rule_of(fast, rows).scale == pytest.approx(fast.rows[0] + mean * fast.rows[1])


def test_the_newton_step_of_an_hour_has_the_derivatives_of_its_value() -> None:
    """By central differences of the rounded dual."""
    problem = plan_problem(preset_forecast(), preset_campaign())
    count, slots = len(preset_forecast().segments), np.linspace(0.0, 1.0, preset_forecast().slots)
    rows = (*problem.rows, Row("late", np.ones(count), np.array([0.0, 0.0, 0.1]), np.full(count, 0.05), 0.3, slots))
    dual = _Dual(problem.scaled, rows, problem.preference, 0)
    y = np.array([dual.begin()[0], 0.3 * dual.begin()[0]])
    here = dual.evaluate(y, 0.3)
    for k in range(2):
        step = np.zeros(2)
        step[k] = 1e-5 * y[0]
        up, down = dual.evaluate(y + step, 0.3), dual.evaluate(y - step, 0.3)
        assert (up.value - down.value) / (2 * step[k]) == pytest.approx(here.gradient[k], rel=1e-4, abs=1e-6)
        np.testing.assert_allclose((up.gradient - down.gradient) / (2 * step[k]), here.hessian[k], rtol=0.02)


def test_hindsight_keeps_a_cap_per_hour_exactly() -> None:
    rng = np.random.default_rng(0)
    price, value = rng.uniform(0.1, 1.0, 200).astype(np.float32), rng.uniform(0, 1, (200, 3)).astype(np.float32)
    segment, slot = rng.integers(0, 2, 200).astype(np.int16), np.repeat(np.arange(4), 50).astype(np.int16)
    day = DayAuctions(slot, segment, np.zeros_like(slot), price, value, value, np.zeros(len(slot), np.bool_))
    hour = np.array([0.0, 1.0, 0.0, 0.0])
    cap = Row("hour/feed", np.array([1.0, 0.0]), np.zeros(3), np.zeros(2), 0.5, hour)
    preference, ideal = np.array([0.2, 0.3, 0.5]), np.full(3, 50.0)
    held = Held(budget=30.0, rows=(cap,))
    got = optimum_of_day(day, 2, held, 0, preference, ideal)
    worth = value.astype(np.float64) @ (preference / ideal)
    inside = price * ((slot == 1) & (segment == 0))
    best = linprog(-worth, A_ub=np.stack([price, inside]), b_ub=[30.0, 0.5], bounds=(0, 1), method="highs")
    assert got.utility == pytest.approx(-best.fun, rel=1e-6)
    assert got.bound == pytest.approx(-best.fun, rel=1e-6)
    bounds = [
        optimum_of_day(day, 2, replace(held, rows=(cap._replace(bound=b),)), 0, preference, ideal).bound
        for b in (0.5, 1.0, 9.0)
    ]
    assert all(less < more for less, more in pairwise(bounds))
