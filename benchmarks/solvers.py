"""Budget allocation: first solve, re-solve by parameters, rebuilt each time, and SciPy's linprog; and control by it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_array

from bidpilot.agents.acting.agent import AgentDay, controller_agent
from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.landscape.forecast import BidLandscape, Forecast
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.markets.defaults import preset_campaign, preset_forecast, preset_market
from bidpilot.solvers.allocation import PlanProblem, plan_problem
from bidpilot.solvers.allocation.backend import LINEAR, attempt
from bidpilot.solvers.allocation.objectives import OBJECTIVES
from bidpilot.solvers.allocation.program import AllocationProgram

ROWS, REPEATS = 256, 7


def report(name: str, value: float, unit: str, baseline: float, ratio: float) -> None:
    """Print one measurement."""
    print(json.dumps({"name": name, "value": value, "unit": unit, "baseline": baseline, "ratio": ratio}))


def one_segment(forecast: Forecast) -> Forecast:
    """The same forecast with all auctions in one segment."""
    land = forecast.landscape
    merged = BidLandscape(land.price, land.value, np.zeros_like(land.segment), land.weight)
    return Forecast(
        merged,
        forecast.auctions,
        forecast.price_curve,
        forecast.history,
        forecast.observed,
        forecast.level_slots,
        ("feed/head",),
    )


def campaigns() -> list[Campaign]:
    """Campaigns that differ in numbers alone, so that one program solves them all."""
    base = preset_campaign()
    return [base.model_copy(update={"budget": 30.0 + 3.0 * k, "max_cpa": 3.0 + 0.1 * k}) for k in range(REPEATS)]


def seconds(play: Callable[[PlanProblem], object], problems: list[PlanProblem]) -> float:
    """Least seconds of one call."""
    times = []
    for problem in problems:
        start = time.perf_counter()
        play(problem)
        times.append(time.perf_counter() - start)
    return min(times)


def rebuilt(problem: PlanProblem) -> AllocationProgram:
    """Compile and solve."""
    program = AllocationProgram(problem.shape, OBJECTIVES[problem.shape.kind](problem.shape.active))
    program.update(problem.scaled, problem.rows, problem.preference)
    attempt(program.problem, LINEAR)
    return program


def by_linprog(problem: PlanProblem) -> float:
    """The same program by SciPy, matrices included; the optimum."""
    day, asked = problem.scaled, problem.rows
    amount = day.share.ravel()
    price = (day.share * np.multiply.outer(day.curve, day.price)).ravel()
    value = (day.share[:, :, None] * day.value).reshape(-1, 3)
    segment = np.tile(day.segment, len(day.curve))
    rows = [row.money[segment] * price - value @ row.value + row.wins[segment] * amount for row in asked]
    weights = problem.preference
    best = linprog(-(value @ weights), A_ub=csr_array(np.stack(rows)), b_ub=[row.bound for row in asked], bounds=(0, 1))
    return float(-best.fun)


def measure(name: str, forecast: Forecast) -> float:
    """Print the four timings of one shape; seconds of a re-solve."""
    problems = [plan_problem(forecast, c) for c in campaigns()]
    start = time.perf_counter()
    program = rebuilt(problems[0])
    first = time.perf_counter() - start

    def resolve(problem: PlanProblem) -> None:
        program.update(problem.scaled, problem.rows, problem.preference)
        attempt(program.problem, LINEAR)

    again, rebuild, scipy = (seconds(play, problems) for play in (resolve, rebuilt, by_linprog))
    resolve(problems[1])
    if abs(program.problem.value - by_linprog(problems[1])) > 1e-6:
        raise AssertionError("linprog solves another program")
    report(f"allocation_first_{name}", first, "s", rebuild, rebuild / first)
    report(f"allocation_resolve_{name}", again, "s", rebuild, rebuild / again)
    report(f"allocation_linprog_{name}", scipy, "s", again, again / scipy)
    return again


def control(one_solve: float) -> None:
    """Print decisions per second of the batched controller beside one solve a decision."""
    market, rng = preset_market(), np.random.default_rng(0)
    days = market.days(rng.random((ROWS, market.draws)))
    for name, limits in (("", {}), ("_cpa", {"max_cpa": 3.0}), ("_tail", {"min_tail_share": 0.5})):
        campaign = preset_campaign().model_copy(update=limits)
        episode = Episode(market, preset_forecast(), ROWS)
        observation = episode.begin(days, CampaignBatch.repeat(campaign, ROWS))
        agent = AgentDay(controller_agent("mpc"), ROWS, episode.segments)
        spent = 0.0
        for _ in range(episode.slots):
            action = agent.act(observation)
            episode.play_rule(episode.decoded(action))
            start = time.perf_counter()
            observation = episode.observer.observe(episode.statistics, action)
            agent.act(observation)
            spent += time.perf_counter() - start
        rate = ROWS * episode.slots / spent
        report(f"mpc_decisions{name}", rate, "decisions/s", 1.0 / one_solve, rate * one_solve)


def main() -> None:
    """Print one JSON line per measurement."""
    forecast = preset_forecast()
    measure("48x64", one_segment(forecast))
    control(measure("48x8x64", forecast))


if __name__ == "__main__":
    main()
