"""Rows of an evaluation: each agent's days on a suite in numbers, and agents paired by day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bidpilot.training.evaluation.names import REFERENCES
from bidpilot.training.evaluation.play import Outcome
from bidpilot.training.evaluation.statistics import interquartile_mean, interval
from bidpilot.training.report.tables import AgentRow, Marks, PairRow

LEAST_GAP = 0.002
"""A gap of R / R* between the reference controllers below which no share of it is told."""


class Played(Protocol):
    """Days that rows are of: a suite, or several that are told as one."""

    @property
    def name(self) -> str:
        """What rows call it."""

    @property
    def kept_units(self) -> NDArray[np.int64]:
        """(D,) the unit that each day belongs to."""

    def constant_rule_ratio(self) -> NDArray[np.float64] | None:
        """(D,) what the best constant rule in hindsight reaches of R*; None without first price."""


def marked(rows: Sequence[AgentRow], marks: Mapping[str, Marks]) -> list[AgentRow]:
    """The rows with what is told of each agent beside its numbers."""
    return [{**row, **marks[row["agent"]]} for row in rows]


def agent_rows(suite: Played, outcomes: Mapping[str, Outcome], seeds: Mapping[str, int], seed: int) -> list[AgentRow]:
    """A row per agent; `outcomes` hold both reference controllers, `seeds` the trainings that a row stands for."""
    rule, units = suite.constant_rule_ratio(), suite.kept_units
    bounds = {a: interval(o.ratio, units, np.random.default_rng(seed)) for a, o in outcomes.items()}
    return [
        AgentRow(
            agent=agent,
            suite=suite.name,
            iqm=interquartile_mean(outcome.ratio),
            ci_low=bounds[agent][0],
            ci_high=bounds[agent][1],
            p5=float(np.quantile(outcome.ratio, 0.05)),
            gap_closed=gap_closed(outcome, outcomes),
            spend_share=float(outcome.spend_share.mean()),
            violation_rate=float(outcome.violated.mean()),
            violation_size=float(outcome.violation.mean()),
            roughness=float(outcome.roughness.mean()),
            constant_rule=None if rule is None else interquartile_mean(rule),
            days=len(outcome.ratio),
            seeds=seeds.get(agent, 1),
        )
        for agent, outcome in outcomes.items()
    ]


def gap_closed(outcome: Outcome, outcomes: Mapping[str, Outcome]) -> float | None:
    """Share of the gap between the reference controllers' mean R / R* that an agent closes; 0 for the lower one.

    None where the controller told the future is less than `LEAST_GAP` better.
    """
    low, high = (float(outcomes[name].ratio.mean()) for name in REFERENCES)
    return (float(outcome.ratio.mean()) - low) / (high - low) if high - low >= LEAST_GAP else None


def pair_rows(suite: Played, outcomes: Mapping[str, Outcome], seed: int) -> list[PairRow]:
    """Every later agent against every earlier one, paired by day; means, not trimmed."""
    names = list(outcomes)
    units = suite.kept_units
    rows = []
    for k, agent in enumerate(names):
        for against in names[:k]:
            gap = outcomes[agent].ratio - outcomes[against].ratio
            low, high = interval(gap, units, np.random.default_rng(seed), trim=0.0)
            rows.append(
                PairRow(
                    agent=agent,
                    against=against,
                    suite=suite.name,
                    diff=float(gap.mean()),
                    diff_low=low,
                    diff_high=high,
                )
            )
    return rows
