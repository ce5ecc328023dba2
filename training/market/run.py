"""`bidpilot market`: every bidder of a market the same policy; prices, R / R* of each, fairness, money left."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from bidpilot.agents.acting.agent import Agent
from bidpilot.agents.learners.catalogue import LEARNERS
from bidpilot.bidding.errors import InvalidMarket, UnknownAgent
from bidpilot.envs import seeding
from bidpilot.envs.answering.config import RivalMarketConfig
from bidpilot.envs.answering.market import rival_market
from bidpilot.training.cli.config import changed
from bidpilot.training.evaluation.contestants import find_contestants
from bidpilot.training.evaluation.statistics import NO_INTERVAL, interval
from bidpilot.training.experiments.arms import named_arm
from bidpilot.training.market.config import MarketConfig
from bidpilot.training.market.play import Everyone, everyone, rivals_alone
from bidpilot.training.report.files import write_figure, write_json
from bidpilot.training.report.market import MarketRow, market_figure, print_market
from bidpilot.training.report.progress import steps
from bidpilot.training.report.tables import short_name
from bidpilot.training.tracking import open_run
from bidpilot.training.tracking.metrics import plain

RIVALS = "rivals"
"""The row of the market's own rivals."""
_GAINS = "daily"  # the preset whose tuned gains controllers have


def run(config: MarketConfig) -> list[MarketRow]:
    """Play one market for each policy, print, draw and log what becomes of it.

    Raises:
        InvalidMarket: parameters out of range, or a budget that buys nothing.
        UnknownAgent, RunNotFound, AmbiguousRun, PolicyMismatch: from a name.
    """
    console, market = Console(), RivalMarketConfig(bidders=config.bidders, budget=config.budget)
    _check_budget(market, config.seed)
    agents = {name: policy_of(name, config.experiment) for name in config.all}
    name = f"market of {' '.join(config.all)}"
    with open_run(config.experiment, name, changed(config, "all"), kind="market", config=config) as tracked:
        console.print(f"run {tracked.run_id}: {name}")
        found = {}
        with steps(console, 1 + len(agents) * market.slots) as step:
            step("playing the rivals' own market")
            found[RIVALS] = rivals_alone(market, config.days, config.seed)
            for who, agent in agents.items():
                said = f"playing a market of {config.bidders} times {who}"
                found[who] = everyone(market, agent, config.days, config.seed, lambda _, said=said: step(said))  # type: ignore[misc]
        rows = [market_row(who, outcome, config.seed) for who, outcome in found.items()]
        figure = market_figure(
            {who: outcome.paid.sum(axis=0) / outcome.auctions.sum(axis=0) for who, outcome in found.items()},
            {who: outcome.ratio.mean(axis=0) for who, outcome in found.items() if outcome.ratio is not None},
        )
        tracked.log_metrics({key: value for row in rows for key, value in _metrics(row)}, 0)
        tracked.log_json(rows, "market.json")
        tracked.log_figure(figure, "figures/market.png")
    print_market(rows, console)
    write_json(config.json_file, rows)
    write_figure(config.figure, figure)
    return rows


def _check_budget(config: RivalMarketConfig, seed: int) -> None:
    """Refuse budgets with which nobody could buy anything all day.

    Raises:
        InvalidMarket: a day's budget is less than one auction costs on average.
    """
    price = rival_market(config, seeding.LOG_HELD_OUT, seed).bidders.mean_price
    if config.budget < price:
        raise InvalidMarket(
            f"a budget of {config.budget:g} a day does not pay for one auction of this market, {price:.3g} on average. "
            f"Give a greater one; the default is {RivalMarketConfig().budget:g}."
        )


def policy_of(name: str, experiment: str) -> Agent:
    """The policy of a name; a learner's is its last training run, best one in the market of rivals.

    Raises:
        UnknownAgent, RunNotFound, AmbiguousRun, PolicyMismatch: there is none, or several.
    """
    if name in LEARNERS:
        policies = [c.policies for c in find_contestants((name,), experiment, presets=(RIVALS,)) if c.policies]
        return next(iter(policies[0].values()))
    arm = named_arm(name, _GAINS, experiment)
    if arm.agent is None or arm.factor != 1.0:
        raise UnknownAgent(
            f"{name} is no policy that everybody could use. Name a controller, LEARNER@RUN or choice@RUN."
        )
    return arm.agent


def market_row(who: str, outcome: Everyone, seed: int) -> MarketRow:
    """What is told of a market; intervals are over days."""
    price = outcome.paid.sum(axis=1) / outcome.auctions.sum(axis=1)
    days = np.arange(len(price))
    low, high = interval(price, days, np.random.default_rng(seed), trim=0.0) or NO_INTERVAL
    ratio = None if outcome.ratio is None else outcome.ratio.mean(axis=1)
    ends = NO_INTERVAL if ratio is None else interval(ratio, days, np.random.default_rng(seed), trim=0.0) or NO_INTERVAL
    by_slot = outcome.paid.sum(axis=0) / outcome.auctions.sum(axis=0)
    return MarketRow(
        all=who,
        bidders=outcome.won.shape[1],
        days=len(price),
        price=float(price.mean()),
        price_low=low,
        price_high=high,
        price_swing=float(by_slot.std() / by_slot.mean()) if by_slot.any() else 0.0,
        ratio=None if ratio is None else float(ratio.mean()),
        ratio_low=ends[0],
        ratio_high=ends[1],
        ratio_p10=None if outcome.ratio is None else float(np.quantile(outcome.ratio.mean(axis=0), 0.1)),
        gini=float(np.mean([gini(day) for day in outcome.won])),
        money_left=float(outcome.left.mean()),
    )


def gini(shares: NDArray[np.float64]) -> float:
    """Gini coefficient of what N bidders have, each >= 0: 0 where all have the same, near 1 where one has all."""
    ordered, n = np.sort(shares), len(shares)
    total = float(ordered.sum())
    return 0.0 if total == 0 else float((2 * np.arange(1, n + 1) - n - 1) @ ordered / (n * total))


def _metrics(row: MarketRow) -> list[tuple[str, float]]:
    measures = {name: row[name] for name in ("price", "price_swing", "ratio", "gini", "money_left")}
    who = plain(short_name(row["all"]))
    return [(f"market/{who}/{name}", float(value)) for name, value in measures.items() if value is not None]
