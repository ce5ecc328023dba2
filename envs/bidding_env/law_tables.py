"""What plans spend, and what money is worth to them, under the laws of the markets that days are of."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.errors import UnknownLaw
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.landscape.shading import fit_shading
from bidpilot.bidding.landscape.unit_curves import SegmentTerms
from bidpilot.bidding.plan.budget_plan import BudgetPlan
from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.markets.base import Market
from bidpilot.envs.markets.law import FINE, Law, LawfulMarket, Nodes, lawful_markets
from bidpilot.envs.markets.law_curves import LawAuctions, LawCurves
from bidpilot.envs.markets.mixed import MixedMarket
from bidpilot.envs.markets.money_value import money_value
from bidpilot.envs.synthetic.day_levels import DayLevels

Matrix = NDArray[np.float64]
_LEAST = 2.0**-16


class PlanTable(NamedTuple):
    """One plan under one law; scales as the plan's."""

    curves: LawCurves  # of its direction alone
    later: Matrix  # (blocks + 1, POINTS) currency by marginal value, at the start of a block
    blind: Matrix  # (blocks, POINTS) currency by the best scale of a block's first slot


@dataclass(frozen=True)
class DayTables:
    """What B rows are told of their days: each its own market's law, its plan's tables, and the day's levels."""

    demand: Matrix  # (B, T) auctions at level 1
    price_curve: Matrix  # (B, T)
    unshaken: Matrix  # (B, T) `Law.unshaken`
    traffic_slots: NDArray[np.int64]  # (B,)
    curves: LawCurves  # of the rows' plans
    later: Matrix  # (B, blocks + 1, POINTS)
    blind: Matrix  # (B, blocks, POINTS)
    levels: DayLevels


class LawTables:
    """Tables of the plans that are played, by the market of the day: made when first asked for, then kept.

    `others` are the nodes of the laws of a mixture's markets after the first, which many plans meet on few days.

    Raises:
        UnknownLaw: not all markets are synthetic ones.
    """

    def __init__(self, market: Market, forecast: Forecast, others: Nodes = FINE) -> None:
        self._market, self._forecast = market, forecast
        self._told = [_ToldMarket(part, others if k else FINE) for k, part in enumerate(lawful_markets(market))]
        self._shading: Matrix | None = None
        self._made: dict[bytes, PlanTable] = {}

    def of_day(self, days: DayBatch, campaigns: CampaignBatch, plan: BudgetPlan, index: NDArray[np.int64]) -> DayTables:
        """What B rows are told, whose campaigns follow plans `index` (B,).

        Raises:
            UnknownLaw: the days do not say what they were made from.
        """
        uniforms = days.uniforms
        if uniforms is None:
            raise UnknownLaw(
                f"the days of {self._market.log.name} do not say what levels they were made from. Play days that "
                "its market makes."
            )
        mixed = self._market if isinstance(self._market, MixedMarket) else None
        choice = np.zeros(len(index), np.int64) if mixed is None else mixed.market_of(uniforms)
        slots = self._forecast.slots
        levels = DayLevels(*(np.empty(shape) for shape in ((3, len(index), slots),) * 2 + ((len(index), slots),)))
        for k in np.unique(choice):
            rows = np.flatnonzero(choice == k)
            own = uniforms[rows] if mixed is None else mixed.uniforms_of(int(k), uniforms[rows])
            told = self._told[k].market.levels(own)
            levels.lasting[:, rows], levels.now[:, rows], levels.shock[rows] = told
        tables = [self._table(int(k), campaigns, row, plan, int(index[row])) for row, k in enumerate(choice)]
        laws = [self._told[k].law for k in choice]
        return DayTables(
            demand=np.stack([law.demand for law in laws]),
            price_curve=np.stack([law.price_curve for law in laws]),
            unshaken=np.stack([law.unshaken for law in laws]),
            traffic_slots=np.array([law.traffic_slots for law in laws]),
            curves=LawCurves(*(np.concatenate(part) for part in zip(*(_parts(t.curves) for t in tables), strict=True))),
            later=np.stack([table.later for table in tables]),
            blind=np.stack([table.blind for table in tables]),
            levels=levels,
        )

    def _table(self, k: int, campaigns: CampaignBatch, row: int, plan: BudgetPlan, u: int) -> PlanTable:
        first_price, budget = bool(campaigns.first_price[row]), float(campaigns.budget[row])
        numbers = np.concatenate(
            [[k, first_price, budget, plan.scale[u]], plan.alpha[u], plan.multiplier[u], plan.beta[u]]
        )
        key = numbers.tobytes()
        if key not in self._made:
            self._made[key] = self._make(self._told[k], first_price, budget, plan, u)
        return self._made[key]

    def _make(self, told: _ToldMarket, first_price: bool, budget: float, plan: BudgetPlan, u: int) -> PlanTable:
        bid_scale = 2.0 ** plan.scale[u]
        direction, multiplier = plan.alpha[u] / bid_scale, plan.multiplier[u][None]
        terms = SegmentTerms(multiplier, plan.beta[u] / (np.maximum(multiplier, _LEAST) * bid_scale))
        if first_price:
            spend = told.auctions.first_price_spend(direction, terms, self._first_price_factors())
        else:
            spend = told.auctions.spend(direction, terms)
        curves = LawCurves.of(spend, direction, told.auctions.mean_kpi)
        value = money_value(told.law, curves.at(told.law.value), budget, float(plan.scale[u]))
        return PlanTable(curves, value.later, value.blind)

    def _first_price_factors(self) -> Matrix:
        if self._shading is None:
            self._shading = fit_shading(self._forecast.landscape)
        return self._shading


class _ToldMarket:
    """One market with its law; what is not asked for is not made."""

    def __init__(self, market: LawfulMarket, nodes: Nodes) -> None:
        self.market, self._nodes = market, nodes

    @cached_property
    def law(self) -> Law:
        return Law.of(self.market, self._nodes)

    @cached_property
    def auctions(self) -> LawAuctions:
        return LawAuctions(self.market.log)


def _parts(curves: LawCurves) -> tuple[Matrix, Matrix]:
    return curves.spend, curves.share
