"""Rows of an evaluation: each agent's days on a suite in numbers, and agents paired by day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bidpilot.training.evaluation.names import FILTERED, KNOWABLE, REFERENCES, UNFILTERED
from bidpilot.training.evaluation.play import Outcome
from bidpilot.training.evaluation.statistics import NO_INTERVAL, interquartile_mean, interval, paired
from bidpilot.training.report.tables import AgentRow, Marks, PairRow
from bidpilot.training.tracking.metrics import RATIO, held_out

LEAST_GAP = 0.002
"""A gap of R / R* between the reference controllers below which no share of it is told."""
LEAST_KNOWABLE = 0.001
"""The same between `mpc` and `knowable`, which lie closer."""


class Played(Protocol):
    """Days that rows are of: a suite, or several that are told as one."""

    @property
    def name(self) -> str:
        """What rows call it."""

    @property
    def kept_units(self) -> NDArray[np.int64]:
        """(D,) the unit that each day belongs to."""

    @property
    def at_first_price(self) -> bool:
        """Whether some day is at first price, so that R* is not the certified bound."""


def marked(rows: Sequence[AgentRow], marks: Mapping[str, Marks]) -> list[AgentRow]:
    """The rows with what is told of each agent beside its numbers."""
    return [{**row, **marks[row["agent"]]} for row in rows]


def agent_rows(suite: Played, outcomes: Mapping[str, Outcome], seeds: Mapping[str, int], seed: int) -> list[AgentRow]:
    """A row per agent; `outcomes` hold both reference controllers, `seeds` the trainings that a row stands for."""
    return [_agent_row(suite, agent, outcomes, seeds.get(agent, 1), seed) for agent in outcomes]


def _agent_row(suite: Played, agent: str, outcomes: Mapping[str, Outcome], seeds: int, seed: int) -> AgentRow:
    outcome, units = outcomes[agent], suite.kept_units
    ci_low, ci_high = interval(outcome.ratio, units, np.random.default_rng(seed)) or NO_INTERVAL
    mean_low, mean_high = interval(outcome.ratio, units, np.random.default_rng(seed), trim=0.0) or NO_INTERVAL
    return AgentRow(
        agent=agent,
        suite=suite.name,
        iqm=interquartile_mean(outcome.ratio),
        ci_low=ci_low,
        ci_high=ci_high,
        mean=float(outcome.ratio.mean()),
        mean_low=mean_low,
        mean_high=mean_high,
        p5=float(np.quantile(outcome.ratio, 0.05)),
        vs_mpc=float((outcome.ratio - outcomes[REFERENCES[0]].ratio).mean()),
        gap_closed=gap_closed(outcome, outcomes),
        knowable_closed=knowable_closed(outcome, outcomes),
        filter_closed=filter_closed(outcome, outcomes),
        spend_share=float(outcome.spend_share.mean()),
        violation_rate=float(outcome.violated.mean()),
        violation_size=float(outcome.violation.mean()),
        roughness=float(outcome.roughness.mean()),
        to_bound=interquartile_mean(outcome.to_bound) if suite.at_first_price else None,
        days=len(outcome.ratio),
        groups=len(np.unique(units)),
        seeds=seeds,
    )


def gap_closed(outcome: Outcome, outcomes: Mapping[str, Outcome]) -> float | None:
    """Share of the gap between the reference controllers' mean R / R* that an agent closes; 0 for the lower one.

    None where the controller told the future is less than `LEAST_GAP` better.
    """
    low, high = (outcomes[name] for name in REFERENCES)
    return share_closed(outcome, low, high)


def knowable_closed(outcome: Outcome, outcomes: Mapping[str, Outcome]) -> float | None:
    """Share of what telling `mpc` the law and the current levels brings that an agent has; 0 for `mpc` itself.

    None where `knowable` was not played, or brings less than `LEAST_KNOWABLE`.
    """
    if KNOWABLE not in outcomes:
        return None
    return share_closed(outcome, outcomes[REFERENCES[0]], outcomes[KNOWABLE], LEAST_KNOWABLE)


def filter_closed(outcome: Outcome, outcomes: Mapping[str, Outcome]) -> float | None:
    """Share of what telling `mpc` the invalid traffic brings that an agent closes, from `mpc` without a filter.

    Where the filter is off, that is `mpc` itself. None where the filter that is told was not played, or brings less
    than `LEAST_GAP`.
    """
    if FILTERED not in outcomes:
        return None
    return share_closed(outcome, outcomes.get(UNFILTERED, outcomes[REFERENCES[0]]), outcomes[FILTERED])


def share_closed(outcome: Outcome, low: Outcome, high: Outcome, least: float = LEAST_GAP) -> float | None:
    """Share of the gap in mean R / R* from `low` to `high` that an outcome closes; None where that is below `least`."""
    start, gap = float(low.ratio.mean()), float(high.ratio.mean() - low.ratio.mean())
    return (float(outcome.ratio.mean()) - start) / gap if gap >= least else None


def pair_rows(suite: Played, outcomes: Mapping[str, Outcome], seed: int) -> list[PairRow]:
    """Every later agent against every earlier one, paired by day; means, not trimmed."""
    names, units = list(outcomes), suite.kept_units
    return [
        pair_row(suite.name, agent, against, outcomes[agent].ratio - outcomes[against].ratio, units, seed)
        for k, agent in enumerate(names)
        for against in names[:k]
    ]


def pair_row(
    suite: str, agent: str, against: str, gap: NDArray[np.float64], units: NDArray[np.int64], seed: int
) -> PairRow:
    """The row of what `agent` has more than `against` on each day, `gap` (D,), whose days belong to `units` (D,)."""
    low, high = paired(gap, units, seed)
    return PairRow(
        agent=agent,
        against=against,
        suite=suite,
        diff=float(gap.mean()),
        diff_low=low,
        diff_high=high,
        groups=len(np.unique(units)),
    )


def row_metrics(rows: Sequence[AgentRow], names: Mapping[str, str | None]) -> dict[str, float]:
    """The held-out metrics of rows, by the agent's name in `names`; None: the run's own. Others are left out."""
    return {k: v for row in rows if row["agent"] in names for k, v in _metrics(row, names[row["agent"]]).items()}


def _metrics(row: AgentRow, agent: str | None) -> dict[str, float]:
    days = row["days"] if agent is None else None
    return held_out_metrics(row["suite"], row["iqm"], (row["ci_low"], row["ci_high"]), row["vs_mpc"], days, agent)


def held_out_metrics(
    suite: str,
    iqm: float,
    ends: tuple[float | None, float | None],
    beside: float,
    days: int | None,
    agent: str | None = None,
) -> dict[str, float]:
    """The metrics of a score on a suite, `beside` being what it has more than `mpc`; what is None is left out."""
    low, high = ends
    measures = {RATIO: iqm, f"{RATIO}_low": low, f"{RATIO}_high": high, "ratio_vs_mpc": beside, "days": days}
    return {held_out(suite, key, agent): value for key, value in measures.items() if value is not None}
