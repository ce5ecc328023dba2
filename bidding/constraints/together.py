"""What all constraints ask for together, by iterating over the catalogue: what planner, day and solvers are given."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.constraints.base import Bounds, Constraint, Terms, Vector
from bidpilot.bidding.constraints.catalogue import CATALOGUE
from bidpilot.bidding.constraints.row import Row
from bidpilot.bidding.constraints.totals import DayTotals

MISSABLE = tuple(c.field for c in CATALOGUE if c.can_be_missed)
"""Kinds of constraints that a day may miss, by the campaign's field."""

PRICED = tuple(c.field for c in CATALOGUE if c.can_be_missed and not c.soft)
"""Those that training prices: the score of a day that misses a soft one says so already."""


def constraint_of(row: str) -> Constraint:
    """The constraint that a row of this name is of."""
    return next(c for c in CATALOGUE if c.owns(row))


# --- planning -------------------------------------------------------------------------------------


def rows_of(terms: Terms) -> tuple[Row, ...]:
    """The rows of one campaign, the budget's first.

    Raises:
        UnknownChannel: a bound names a channel that no segment belongs to.
        InfeasibleCampaign: a floor for a KPI that never occurs.
    """
    return tuple(row for c in CATALOGUE for row in c.rows(terms))


def hard_rows(terms: Terms) -> tuple[Row, ...]:
    """The rows of what is no part of the score and may be missed: what hindsight holds a day to, beside the budget."""
    return tuple(row for c in CATALOGUE if c.can_be_missed and not c.soft for row in c.rows(terms))


def demanded_kpis(bounds: Iterable[str]) -> NDArray[np.bool_]:
    """(3,) true for KPIs that bounds of these names speak of."""
    demanded = np.zeros(3, np.bool_)
    for c in CATALOGUE:
        for of, _ in c.own(dict.fromkeys(bounds)):
            demanded[list(c.kpis(of))] = True
    return demanded


def lifts_kpis(bounds: Iterable[str]) -> bool:
    """Whether bounds of these names may ask for more of a KPI than the preference buys."""
    return any(c.lifts and c.own(dict.fromkeys(bounds)) for c in CATALOGUE)


# --- a day ----------------------------------------------------------------------------------------


def asked(bounds: Bounds, rows: int) -> dict[str, NDArray[np.bool_]]:
    """(B,) true where a row asks, for each kind that may be missed."""
    return {c.field: c.asked(bounds, rows) for c in CATALOGUE if c.can_be_missed}


def asks_hard(bounds: Bounds, rows: int) -> NDArray[np.bool_]:
    """(B,) true where a row asks for more than what is a part of its score."""
    return np.any([c.asked(bounds, rows) for c in CATALOGUE if not c.soft], axis=0)  # type: ignore[no-any-return]


def missed(bounds: Bounds, totals: DayTotals) -> dict[str, Vector]:
    """Relative excess (B,) over each kind of constraint; 0 where it is kept or not asked."""
    return {c.field: c.missed(bounds, totals) for c in CATALOGUE if c.can_be_missed}


def score_factor(bounds: Bounds, spend: Vector, kpi: Vector) -> Vector | None:
    """(B,) what soft constraints leave of the utility, for spend (B,) and KPI (B, 3); None where there is none."""
    factors = [f for c in CATALOGUE if (f := c.factor(bounds, spend, kpi)) is not None]
    return np.prod(factors, axis=0) if factors else None


def tightened(bounds: Bounds, margin: float) -> dict[str, Vector]:
    """The same with soft bounds stricter by a share `margin` of themselves: what keeps room for doubt."""
    soft = {c.name(of) for c in CATALOGUE if c.soft for of, _ in c.own(bounds)}
    return {name: (1.0 - margin) * bound if name in soft else bound for name, bound in bounds.items()}


def held_back(bounds: Bounds, rows: int) -> Vector:
    """(B,) share of the budget that is not to be planned; the day's last block releases it."""
    held = np.zeros(rows)
    for c in CATALOGUE:
        own = c.held_back(bounds)
        if own is not None:
            held = np.maximum(held, own)
    return held


# --- steering -------------------------------------------------------------------------------------


def moves_segments(bounds: Bounds, rows: int) -> NDArray[np.bool_]:
    """(B,) true where segments are moved against each other."""
    return np.any([c.asked(bounds, rows) for c in CATALOGUE if c.moves_segments], axis=0)  # type: ignore[no-any-return]


def target_cost(bounds: Bounds, conversion_value: Vector, soft_alone: bool = False) -> Vector:
    """(B,) currency that a conversion may cost on average, infinite where nothing says; `soft_alone`: in the score."""
    cost = np.full(len(conversion_value), np.inf)
    for c in CATALOGUE:
        own = c.target_cost(bounds, conversion_value) if c.soft or not soft_alone else None
        if own is not None:
            cost = np.minimum(cost, own)
    return cost


def least_tail_share(bounds: Bounds, rows: int) -> Vector:
    """(B,) least share of won exposures on long-tail content, 0 where nothing says."""
    share = np.zeros(rows)
    for c in CATALOGUE:
        own = c.tail_share(bounds)
        if own is not None:
            share = np.maximum(share, own)
    return share


def channel_most(bounds: Bounds, channels: tuple[str, ...], spend: Vector) -> Vector:
    """(B, C) currency that channels may take of a day that spends `spend` (B,), infinite where nothing says."""
    cap = np.full((len(spend), len(channels)), np.inf)
    for c in CATALOGUE:
        own = c.channel_most(bounds, channels, spend)
        if own is not None:
            cap = np.minimum(cap, own)
    return cap
