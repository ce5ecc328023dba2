"""Seconds per day of the hindsight optimum, beside a program with a variable for each auction in cvxpy.

The program is solved on 2,000 auctions, and its time taken as growing with their number, which flatters
it; `ratio` is how many times faster the optimum is on that day. Gaps are the certified ones.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import cvxpy
import numpy as np

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.campaign.scalarisation import Scalarisation
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.clearing.day import DayAuctions
from bidpilot.envs.markets.defaults import preset_campaign, preset_forecast, preset_market
from bidpilot.solvers.hindsight import hindsight_optimum, optimum_of_day
from bidpilot.solvers.hindsight_held import Held

cp: Any = cvxpy
SIZE, SMALL, DAYS = 100_000, 2_000, 512
SEGMENTS = ("feed/head", "feed/tail", "search/head", "search/tail")
PREFERENCE = np.array([0.2, 0.3, 0.5])


def a_day(size: int) -> DayAuctions:
    """Auctions whose prices follow their values loosely."""
    rng = np.random.default_rng(0)
    quality = rng.lognormal(0, 1, size)
    columns = (
        rng.uniform(0.2, 1, size),
        0.1 * rng.lognormal(0, 1, size) * np.sqrt(quality),
        0.003 * rng.lognormal(0, 1.2, size) * np.sqrt(quality),
    )
    price = (0.1 * quality * rng.lognormal(0, 0.7, size)).astype(np.float32)
    value, segment = np.stack(columns, axis=1).astype(np.float32), rng.integers(0, 4, size).astype(np.int16)
    none = np.zeros(size, np.int16)
    return DayAuctions(none, segment, none, price, value, value, none.astype(np.bool_))


def best_seconds(call: Callable[[], object], rounds: int = 5) -> float:
    """Least seconds of one call."""
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def per_auction_seconds(kind: Scalarisation) -> float:
    """Seconds of the cvxpy program on the small day, budget only, compiling included."""
    day = a_day(SMALL)
    y, x, total = cp.Variable(SMALL), cp.Variable(3), day.true.sum(axis=0, dtype=np.float64)
    budget = 0.05 * float(day.price.sum())

    def solve() -> None:
        goal = {
            "weighted_sum": lambda: PREFERENCE @ x,
            "nash": lambda: cp.geo_mean(x, [2, 3, 5]),
            "chebyshev": lambda: cp.min(cp.multiply(1 / PREFERENCE, x)),
        }[kind]()
        rules = [x == (day.true / total).T @ y, y >= 0, y <= 1, (day.price / budget) @ y <= 1]
        problem = cp.Problem(cp.Maximize(goal), rules)
        problem.solve(solver=cp.HIGHS if problem.is_lp() else cp.CLARABEL)

    return best_seconds(solve, 2)


def show(name: str, value: float, unit: str, baseline: float | None = None) -> None:
    """One JSON line; the ratio is baseline / value."""
    ratio = None if baseline is None else baseline / value
    print(json.dumps({"name": name, "value": value, "unit": unit, "baseline": baseline, "ratio": ratio}))


def measure_day(kind: Scalarisation, baseline: float) -> None:
    """A large day under each set of limits."""
    day = a_day(SIZE)
    ideal = day.true.sum(axis=0, dtype=np.float64) * [0.23, 0.16, 0.3]
    budget = 0.05 * float(day.price.sum())
    target = budget / float(day.true[:, 2].sum())
    tail_caps: dict[str, Any] = {"min_tail_share": 0.7, "channel_caps": {"feed": 0.3 * budget}}
    asked: dict[str, dict[str, Any]] = {
        "": {},
        "_cpa": {"max_cpa": 4 * target},
        "_strict_cpa": {"max_cpa": target},
        "_tail_caps": tail_caps,
        "_tail_caps_cpa": {**tail_caps, "max_cpa": target},
    }
    for suffix, constraints in asked.items():
        held = Held.of(CampaignBatch.repeat(Campaign(budget=budget, **constraints), 1), 0, SEGMENTS)

        def solve(held: Held = held) -> Any:
            return optimum_of_day(day, len(SEGMENTS), held, kind.code, PREFERENCE, ideal)

        found, seconds = solve(), best_seconds(solve)
        show(f"hindsight_{kind}{suffix}_{SIZE}", seconds, "s/day", None if suffix else baseline * SIZE / SMALL)
        show(f"hindsight_{kind}{suffix}_{SIZE}_gap", 1 - found.utility / found.bound, "relative")


def measure_suite(changes: dict[str, Any], name: str) -> None:
    """Days of the default market, materialised too."""
    market = preset_market()
    days = market.days(np.random.default_rng(0).random((DAYS, market.draws)))
    episode = Episode(market, preset_forecast(), DAYS)
    campaigns = CampaignBatch.repeat(preset_campaign().model_copy(update=changes), DAYS)
    episode.begin(days, campaigns)
    hindsight_optimum(market, days, campaigns, episode.today.ideal)
    seconds = best_seconds(lambda: hindsight_optimum(market, days, campaigns, episode.today.ideal), 1)
    show(f"hindsight_{name}_{DAYS}_days_of_{int(days.count.sum(axis=1).mean())}", seconds, "s")


def main() -> None:
    """Print one JSON line per measurement."""
    for kind in Scalarisation:
        measure_day(kind, per_auction_seconds(kind))
    for kind in Scalarisation:
        measure_suite({"scalarisation": kind}, str(kind))
        measure_suite({"scalarisation": kind, "max_cpa": 3.0}, f"{kind}_cpa")


if __name__ == "__main__":
    main()
