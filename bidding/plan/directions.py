"""Directions of the best bids: the multipliers of scalarisations and constraints, solved for on the binned day."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.constraints.row import Row, scaled_day
from bidpilot.bidding.constraints.together import demanded_kpis, lifts_kpis, rows_of
from bidpilot.bidding.landscape import curves
from bidpilot.bidding.landscape.binned import BinnedDay, ForecastAuctions, bin_auctions
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.landscape.unit_curves import SegmentTerms
from bidpilot.bidding.plan.dual import DualRule, Multipliers, rule_of, solve_dual

_ROUNDS, _TILTED_ROUNDS = 3, 5  # bins are finest at the margin of a rule, so the rule found is where they are made next
_FIRST_STEP = (
    0.5  # bins answer a tilt of the coefficients less than their auctions do, so that a full step goes too far
)
_BINDS = 1e-6  # of the largest multiplier: below it the budget does not bind


@dataclass(frozen=True)
class Directions:
    """What U campaigns bid at scale 1, conversions at the forecast's worth."""

    kpi: NDArray[np.float64]  # (U, 3)
    segments: SegmentTerms
    most: NDArray[np.float64]  # (U,) log2 of the largest scale that the other constraints leave; inf: the budget's
    budget_price: NDArray[np.float64]  # (U,) utility per unit of money; NaN where the scale gives it
    unit: NDArray[np.float64]  # (U,) unit of money, currency
    duals: tuple[dict[str, float], ...]

    @classmethod
    def plain(cls, kpi: NDArray[np.float64], segments: int, unit: NDArray[np.float64]) -> Directions:
        """The same bid in all segments; only the budget limits the scale."""
        rows = len(kpi)
        same = SegmentTerms(np.ones((rows, segments)), np.zeros((rows, segments)))
        return cls(kpi, same, np.full(rows, np.inf), np.full(rows, np.nan), unit, tuple({} for _ in range(rows)))


@dataclass(frozen=True)
class Solved:
    """One campaign's multipliers and rule on the day that was binned for it."""

    day: BinnedDay
    rows: tuple[Row, ...]
    found: Multipliers
    rule: DualRule
    unit: float  # of money, currency


def _leaving_none_out(
    alpha: NDArray[np.float64], relevant: NDArray[np.bool_], ideal: NDArray[np.float64], mean: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Half `alpha` (3,), half the same worth spread evenly over the relevant KPIs: bins that know them all."""
    even = np.where(relevant & (ideal > 0), 1.0 / np.where(ideal > 0, ideal, 1.0), 0.0)
    worth = float(even @ mean)
    return alpha if worth <= 0 else 0.5 * (alpha + even * (float(alpha @ mean) / worth))


def relevant_kpis(campaigns: CampaignBatch, row: int) -> NDArray[np.bool_]:
    """(3,) the KPIs that preference or constraints of a campaign count."""
    relevant: NDArray[np.bool_] = (campaigns.preference[row] > 0) | demanded_kpis(campaigns.asked(row))
    return relevant


def solve_campaign(
    forecast: Forecast,
    auctions: ForecastAuctions,
    campaigns: CampaignBatch,
    row: int,
    ideal: NDArray[np.float64],
    alpha: NDArray[np.float64],
) -> Solved:
    """Multipliers of one campaign; `alpha` (3,) is near its bids, `ideal` (3,) its ideal point, both in columns.

    `auctions` are those of its auction format.

    Raises:
        InfeasibleCampaign, UnknownChannel.
    """
    budget, preference = float(campaigns.budget[row]), campaigns.preference[row]
    count, kpi_unit = len(forecast.segments), forecast.kpi_unit(campaigns.conversion_value[row])
    multiplier, beta = np.ones(count), np.zeros(count)
    relevant = relevant_kpis(campaigns, row)
    solved: Solved | None = None
    several = int(relevant.sum()) > 1
    if lifts_kpis(campaigns.asked(row)):
        alpha = _leaving_none_out(alpha, relevant, ideal, forecast.landscape.mean_value)
    relax, mean = _Relaxation(), np.where(forecast.landscape.mean_value > 0, forecast.landscape.mean_value, 1.0)
    for _ in range(_TILTED_ROUNDS if several else _ROUNDS):
        day = bin_auctions(forecast, auctions, alpha, multiplier, beta, relevant)
        terms = campaigns.terms(row, forecast.segments, ideal, kpi_unit, budget / day.market)
        scaled, rows, unit = scaled_day(day, terms.unit, ideal), rows_of(terms), terms.unit
        found = solve_dual(scaled, rows, preference, int(campaigns.kind[row]), solved.found if solved else None)
        rule = rule_of(found, rows, day.charge)
        new = rule.scale * rule.gain * unit / np.where(ideal > 0, ideal, 1.0)
        if several:
            new = alpha + relax.step((new - alpha) * mean) / mean
            rule = rule._replace(gain=new * np.where(ideal > 0, ideal, 1.0) / (rule.scale * unit))
        alpha = new
        multiplier, beta = rule.multiplier, rule.scale * rule.multiplier * rule.share * (unit / day.demand)
        solved = Solved(day, rows, found, rule, unit)
    assert solved is not None
    return solved


class _Relaxation:
    """Aitken's dynamic relaxation of a vector fixed point (Irons and Tuck, Int. J. Numer. Meth. Eng. 1, 1969)."""

    def __init__(self) -> None:
        self._share = _FIRST_STEP
        self._last: NDArray[np.float64] | None = None

    def step(self, residual: NDArray[np.float64]) -> NDArray[np.float64]:
        """The part of `residual`, new minus old point, to go."""
        if self._last is not None:
            change = residual - self._last
            size = float(change @ change)
            if size > 0:
                self._share = min(max(-self._share * float(self._last @ change) / size, 0.1), 1.0)
        self._last = residual
        return self._share * residual


def solve_directions(
    forecast: Forecast,
    auctions: Callable[[bool], ForecastAuctions],
    campaigns: CampaignBatch,
    rows: NDArray[np.int64],
    ideal: NDArray[np.float64],
    plain: Directions,
    scale: NDArray[np.float64],
    needed: NDArray[np.bool_],
) -> Directions:
    """Directions of campaigns `rows` (U,); `plain` and its `scale` (U,) hold where no solving is `needed` (U,).

    `auctions` gives the un-binned day, of first price where it is told so.
    """
    kpi, multiplier, share = plain.kpi.copy(), plain.segments.multiplier.copy(), plain.segments.share.copy()
    most, price, duals = plain.most.copy(), plain.budget_price.copy(), list(plain.duals)
    unit = plain.unit.copy()
    for u in np.flatnonzero(needed):
        row, at = int(rows[u]), kpi[u] * 2.0 ** scale[u]
        solved = solve_campaign(forecast, auctions(bool(campaigns.first_price[row])), campaigns, row, ideal[u], at)
        rule, found, unit[u] = solved.rule, solved.found, solved.unit
        kpi[u] = rule.gain * unit[u] / np.where(ideal[u] > 0, ideal[u], 1.0)
        multiplier[u], share[u] = rule.multiplier, rule.share * (unit[u] / solved.day.demand)
        if found.rows[0] <= _BINDS * found.rows.max():
            most[u] = np.log2(rule.scale)
            if most[u] < curves.LOWEST + 1:  # far below the budget's scale: curves begin nearer to what is bid
                kpi[u], share[u], most[u] = kpi[u] * rule.scale, share[u] * rule.scale, 0.0
        price[u] = found.rows[0]
        duals[u] = {row.name: float(p) for row, p in zip(solved.rows, found.rows, strict=True)}
    return Directions(kpi, SegmentTerms(multiplier, share), most, price, unit, tuple(duals))
