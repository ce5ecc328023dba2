"""What agents are worth where one thing is far from its forecast: nine markets, each `daily` but for one parameter.

Differences are to `mpc`, paired by day. Beside each stands a simultaneous interval: all nine hold together with 95 %
(Bonferroni), so that a loss on one of them is not an accident of looking at nine.

    python docs/stress.py --agents adaptive knowable ppo@RUN,RUN,RUN [--json FILE]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.special import ndtri

from bidpilot.agents.acting.controllers import MPC
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.envs.markets.presets import DAILY
from bidpilot.training.evaluation.catalogue import SuiteRecord
from bidpilot.training.evaluation.contestants import find_contestants
from bidpilot.training.evaluation.rows import pair_row
from bidpilot.training.evaluation.suites import synthetic_suite

CHANGES: Final[Mapping[str, Mapping[str, Any]]] = {
    "prices x2": {"price_level": 2.0 * DAILY.price_level},
    "prices x0.5": {"price_level": 0.5 * DAILY.price_level},
    "flat demand": {"demand_curve": (1.0,) * len(DAILY.demand_curve)},
    "a shock every day": {"platform_shock_probability": 1.0},
    "a surge every day": {"surge_probability": 1.0},
    "autocorrelation .7": {"level_autocorrelation": 0.7},
    "dispersions x1.4": {
        "price_log_std": 1.4 * DAILY.price_log_std,
        "conversion_log_std": 1.4 * DAILY.conversion_log_std,
    },
    "value drift .8": {"value_drift_std": 0.8},
    "traffic std .5": {"day_traffic_std": 0.5},
}
ALL: Final = "stress"
"""The row of the mean over all of them."""
DAYS, SEED = 512, 1


def record(name: str) -> SuiteRecord:
    """The market of this name, played under the forecast of `daily`."""
    market = DAILY.model_copy(update=dict(CHANGES[name]))
    campaign = Campaign(budget=DAILY.budget, conversion_value=DAILY.conversion_value)
    return SuiteRecord(f"{ALL} {name}", "one parameter", market, DAILY, (campaign,))


def gaps_on(name: str, agents: Sequence[str], days: int, seed: int, experiment: str) -> dict[str, NDArray[np.float64]]:
    """R / R* (D,) of every agent less `mpc`'s, by agent."""
    print(f"playing {name} ...", flush=True)
    suite = synthetic_suite(record(name), days, seed)
    contestants = find_contestants((MPC.name, *agents), experiment)
    ratios = {contestant.name: contestant.play(suite)[contestant.name].ratio for contestant in contestants}
    return {agent: ratio - ratios[MPC.name] for agent, ratio in ratios.items() if agent != MPC.name}


def rows_of(gaps: Mapping[str, Mapping[str, NDArray[np.float64]]], seed: int) -> list[dict[str, Any]]:
    """A row for each market and agent, and one for each agent's mean over all markets."""
    reach = float(ndtri(1.0 - 0.025 / len(gaps)))
    rows: list[dict[str, Any]] = []
    for market, by_agent in gaps.items():
        for agent, gap in by_agent.items():
            error = reach * float(gap.std(ddof=1)) / np.sqrt(len(gap))
            together = {"together_low": gap.mean() - error, "together_high": gap.mean() + error}
            rows.append({**pair_row(market, agent, MPC.name, gap, np.arange(len(gap)), seed), **together})
    for agent in next(iter(gaps.values())):
        days = np.concatenate([by_agent[agent] for by_agent in gaps.values()])
        rows.append(dict(pair_row(ALL, agent, MPC.name, days, np.arange(len(days)), seed)))
    return rows


def printed(rows: Iterable[Mapping[str, Any]]) -> Table:
    """The rows as a table."""
    table = Table("market", "agent", "beside mpc", "95 % interval", "all nine together", title="one thing unforeseen")
    for row in rows:
        both = [
            f"{row[low]:+.4f} .. {row[high]:+.4f}" if low in row else ""
            for low, high in (("diff_low", "diff_high"), ("together_low", "together_high"))
        ]
        table.add_row(row["suite"], row["agent"], f"{row['diff']:+.4f}", *both)
    return table


def main() -> None:
    """Play, print and write the rows."""
    parser = argparse.ArgumentParser(description="Agents beside mpc on nine markets with one thing unforeseen.")
    parser.add_argument("--agents", nargs="+", default=["adaptive", "ppo"], help="as of `bidpilot evaluate`")
    parser.add_argument("--days", type=int, default=DAYS, help="a market")
    parser.add_argument("--seed", type=int, default=SEED, help="of markets and days")
    parser.add_argument("--json", type=Path, help="file to write the rows to")
    asked = parser.parse_args()
    gaps = {name: gaps_on(name, asked.agents, asked.days, asked.seed, "bidpilot") for name in CHANGES}
    rows = rows_of(gaps, asked.seed)
    Console().print(printed(rows))
    if asked.json is not None:
        asked.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
