"""How far `mpc` comes on `shift` with gains chosen for it, and what the same gains cost on `daily`.

The gains are the best of a grid on days of `shift` with another seed than those that are told of. It says what the
gain of a policy over the neutral `mpc` is worth: a controller whose gains knew the regime is the harder rival.

    python docs/gains_on_shift.py --agent ppo@RUN,RUN,RUN [--json FILE]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping
from itertools import product
from pathlib import Path
from typing import Any

from bidpilot.agents.acting.agent import controller_agent
from bidpilot.agents.acting.controllers import MPC
from bidpilot.training.evaluation.catalogue import SUITES
from bidpilot.training.evaluation.contestants import find_contestants
from bidpilot.training.evaluation.rows import agent_rows, pair_rows
from bidpilot.training.evaluation.statistics import interquartile_mean
from bidpilot.training.evaluation.suites import Suite, synthetic_suite
from bidpilot.training.report.tables import print_tables

CHOSEN = "mpc_chosen"
CHOSEN_ON, CHOOSING_SEED, CHOOSING_DAYS = "shift", 1, 96
TOLD_ON, SEED, DAYS = ("shift", "daily"), 0, 512
GRID = tuple(
    {"gain": gain, "early": early, "late": late}
    for gain, early, late in product((0.7, 0.8, 0.9, 1.0), (0.0, 0.15, 0.3), (-0.2, 0.0, 0.2))
)

Gains = Mapping[str, float]


def choose(suite: Suite, grid: Iterable[Gains] = GRID) -> Gains:
    """The gains with the best interquartile mean of R / R* on a suite."""
    return max(grid, key=lambda gains: interquartile_mean(suite.arena.play(controller_agent(MPC.name, gains)).ratio))


def compare(gains: Gains, agent: str, suite: Suite, experiment: str = "bidpilot") -> list[Any]:
    """Rows of `mpc` with these gains, of both reference controllers and of the agent, and their paired differences."""
    contestants = find_contestants((agent,), experiment)
    outcomes = {CHOSEN: suite.arena.play(controller_agent(MPC.name, gains))}
    for contestant in contestants:
        outcomes |= contestant.play(suite)
    seeds = {contestant.name: contestant.seeds for contestant in contestants}
    whole = {name: outcomes[name] for name in (CHOSEN, *seeds)}
    return [*agent_rows(suite, whole, seeds, SEED), *pair_rows(suite, whole, SEED)]


def main() -> None:
    """Choose, compare, print and write the rows."""
    parser = argparse.ArgumentParser(description="mpc with gains chosen on shift, beside a policy.")
    parser.add_argument("--agent", default="ppo", help="the policy: ppo, ppo@RUN or ppo@RUN,RUN,RUN")
    parser.add_argument("--json", type=Path, help="file to write the rows to")
    asked = parser.parse_args()
    gains = choose(synthetic_suite(SUITES[CHOSEN_ON], CHOOSING_DAYS, CHOOSING_SEED))
    told = {"chosen_on": CHOSEN_ON, "tried": len(GRID), "days": CHOOSING_DAYS, "seed": CHOOSING_SEED, **gains}
    print(f"chosen on {CHOOSING_DAYS} days of {CHOSEN_ON}, of {len(GRID)}: {dict(gains)}")
    rows = [row for name in TOLD_ON for row in compare(gains, asked.agent, synthetic_suite(SUITES[name], DAYS, SEED))]
    print_tables([row for row in rows if "against" not in row], [row for row in rows if "against" in row])
    if asked.json is not None:
        asked.json.write_text(json.dumps([told, *rows], indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
