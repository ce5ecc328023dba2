"""The plan: reference coefficients, ideal point and budget curve of a campaign under a forecast.

For one budget and a weighted sum the best bids are `alpha . v` with one scale for the whole day: the dual of
the budget is the scale's inverse (design section 5). Other scalarisations and constraints first find their
multipliers (`bidpilot.bidding.plan.directions`). The scale is found on curves over the forecast's auctions, in
expectation over the levels seen on training days. No solver is involved.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.scalarisation import check_ideal_point, utility
from bidpilot.bidding.constraints.together import target_cost
from bidpilot.bidding.landscape import curves
from bidpilot.bidding.landscape.binned import ForecastAuctions
from bidpilot.bidding.landscape.first_price import auctions_of
from bidpilot.bidding.landscape.forecast import CONVERSION_LEVEL, PRICE_LEVEL, TRAFFIC_LEVEL, Forecast
from bidpilot.bidding.landscape.shading import fit_shading
from bidpilot.bidding.landscape.unit_curves import SegmentTerms, UnitCurves, segment_curves, unit_curves
from bidpilot.bidding.plan.budget_plan import RATIO_QUANTILES, BudgetPlan
from bidpilot.bidding.plan.day_curves import DayCurves, Nodes
from bidpilot.bidding.plan.directions import Directions, solve_directions
from bidpilot.bidding.plan.outlook import Outlook, outlook

ALPHA_FLOOR = 0.01  # of the single-KPI coefficient, where the preference is positive
_CLEAR = 0.9  # of a target: what costs less without it is planned without it, as a multiplier of 0 would
_FURTHER_DOWN = 8  # octaves that the curves of a KPI alone begin lower for budgets that buy next to nothing
_UNSPENT = 0.999  # a budget above this share of what all auctions cost does not bind
_BIN_ERROR = 0.01  # relative; by how much a cost per conversion on bins may differ from that of the curves


class Planner:
    """Plans campaigns under one forecast."""

    def __init__(self, forecast: Forecast) -> None:
        self.forecast, self._day = forecast, DayCurves(forecast)
        self._auctions_of: dict[bool, ForecastAuctions] = {}
        # each of these is replaced whole, so that threads that share a planner never see half of one
        self._planned: tuple[tuple[str, ...], NDArray[np.float64], BudgetPlan] | None = None
        self._outlook: tuple[BudgetPlan, Outlook] | None = None

    def outlook(self, plan: BudgetPlan) -> Outlook:
        """What is to be expected of a day under a plan, kept until it is asked for another one's."""
        kept = self._outlook
        if kept is None or kept[0] is not plan:
            kept = self._outlook = plan, outlook(self.forecast, plan)
        return kept[1]

    @cached_property
    def shading(self) -> NDArray[np.float64]:
        """First-price shading factors of the forecast's win curve."""
        return fit_shading(self.forecast.landscape)

    def plan(self, campaigns: CampaignBatch) -> tuple[BudgetPlan, NDArray[np.int64]]:
        """Plans of the distinct campaigns, and the plan's index (B,) for each row.

        Raises:
            ZeroIdealPoint: the forecast brings none of a KPI whose preference is positive.
        """
        names, key = campaigns.plan_key()
        distinct, first, index = np.unique(key, axis=0, return_index=True, return_inverse=True)
        kept = self._planned
        if kept is None or names != kept[0] or not np.array_equal(distinct, kept[1]):  # days of a campaign share a plan
            kept = self._planned = names, distinct, self._plan(campaigns, first)
        return kept[2], index.reshape(-1)

    def _plan(self, campaigns: CampaignBatch, rows: NDArray[np.int64]) -> BudgetPlan:
        budget = campaigns.budget[rows]
        preference, kind = campaigns.preference[rows], campaigns.kind[rows]
        first_price = campaigns.first_price[rows]
        kpi_unit = self.forecast.kpi_unit(campaigns.conversion_value[rows])
        ideal, single_alpha = self._ideal(budget, first_price)
        check_ideal_point(ideal, preference)
        found = self._directions(campaigns, rows, ideal)
        direction, segments = found.kpi, found.segments
        unit = self._unit(direction, first_price, segments)
        nodes = self._day.nodes(direction, within_day=False)
        total = self._day.total(unit.spend, nodes)
        reach = _reach(total, budget * (1.0 - campaigns.held_back[rows]))
        scale = np.minimum(reach, found.most)
        scale = self._within_target(campaigns, rows, unit, nodes, total, scale)
        kpi = self._day.kpi_at(unit, nodes, scale)
        bid_scale = 2.0 ** scale[:, None]
        alpha = direction * bid_scale
        floor = _alpha_floor(alpha, single_alpha, scale < reach)
        alpha = np.where(preference > 0, np.maximum(alpha, floor), alpha)
        slot_spend, slot_wins = self._day.by_slot(unit, nodes, scale)
        spend = np.concatenate([np.zeros((len(rows), 1)), np.cumsum(slot_spend, axis=1)], axis=1)
        mean_value = alpha * self.forecast.landscape.mean_value
        return BudgetPlan(
            ideal=ideal / kpi_unit,
            alpha=alpha * kpi_unit,
            multiplier=segments.multiplier,
            beta=segments.multiplier * segments.share * bid_scale,
            shadow_price=np.where(np.isnan(found.budget_price), 2.0**-scale, found.budget_price) / found.unit,
            duals=found.duals,
            kpi=kpi / kpi_unit,
            utility=utility(kpi, ideal, preference, kind),
            spend=spend,
            wins=slot_wins,
            market=total[:, -1],
            scale=scale,
            now=unit.spend,
            later_unknown=self._day.later(unit.spend, nodes),
            later_known=self._day.later(unit.spend, self._day.nodes(direction, within_day=True)),
            ratio_quantiles=self._ratio_quantiles(direction, scale),
            mean_value=mean_value,
            value_spread=self._day.value_spread(direction),
            price_spread=self._day.level_spread(PRICE_LEVEL),
            traffic_spread=self._day.level_spread(TRAFFIC_LEVEL),
            by_segment=self._by_segment(direction, first_price, segments) if campaigns.constrained.any() else None,
        )

    def _directions(self, campaigns: CampaignBatch, rows: NDArray[np.int64], ideal: NDArray[np.float64]) -> Directions:
        """Directions of the best bids; multipliers are solved for where the preference alone does not give them."""
        first_price = campaigns.first_price[rows]
        budget = campaigns.budget[rows]
        unit = budget * 2.0 ** -np.maximum(0.0, np.ceil(np.log2(budget / self._market)))
        kpi = campaigns.preference[rows] / np.where(ideal > 0, ideal, 1.0) * unit[:, None]
        plain = Directions.plain(kpi, len(self.forecast.segments), unit)
        if not (campaigns.constrained[rows] | (campaigns.kind[rows] != 0)).any():
            return plain
        drawn, nodes = self._unit(kpi, first_price), self._day.nodes(kpi, within_day=False)
        total = self._day.total(drawn.spend, nodes)
        scale = _reach(total, budget)
        target = target_cost(campaigns.bounds, campaigns.conversion_value)[rows]
        cost = np.where(np.isfinite(target), _CLEAR * target, 0.0)  # no room where no target says how much
        worth = self.forecast.worth(campaigns.conversion_value[rows])
        allowed = cost * self._day.kpi_at(drawn, nodes, scale)[:, CONVERSION_LEVEL] / worth
        clear = curves.lookup(total, scale) <= allowed
        solved = (campaigns.kind[rows] != 0) | campaigns.constrained[rows] & ~(campaigns.targets_alone[rows] & clear)
        return solve_directions(self.forecast, self._auctions, campaigns, rows, ideal, plain, scale, solved)

    def _within_target(
        self,
        campaigns: CampaignBatch,
        rows: NDArray[np.int64],
        unit: UnitCurves,
        nodes: Nodes,
        total: NDArray[np.float64],
        scale: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """The scale (U,), lower where expected conversions cost more than a target by more than what bins get wrong."""
        worth = self.forecast.worth(campaigns.conversion_value[rows])
        cost = target_cost(campaigns.bounds, campaigns.conversion_value)[rows]
        asked = np.isfinite(cost)
        if not asked.any():
            return scale
        allowed = np.where(asked, cost / worth, 0.0)[:, None] * self._day.kpi(unit, nodes, CONVERSION_LEVEL)
        over = curves.lookup(total, scale) > (1.0 + _BIN_ERROR) * curves.lookup(allowed, scale)
        kept = curves.last_kept(total - allowed, scale)
        return np.where(asked & over, kept, scale)

    @cached_property
    def _market(self) -> float:
        """What all auctions of the day cost at market prices, currency."""
        f = self.forecast
        levels, seen = f.block_levels
        return float((f.auctions @ f.price_curve) * f.landscape.mean_price * levels[seen][:, PRICE_LEVEL].mean())

    # --- curves over the forecast's auctions ---------------------------------------------------

    def _auctions(self, first_price: bool) -> ForecastAuctions:
        if first_price not in self._auctions_of:
            self._auctions_of[first_price] = auctions_of(self.forecast, first_price)
        return self._auctions_of[first_price]

    def _unit(
        self, direction: NDArray[np.float64], first_price: NDArray[np.bool_], segments: SegmentTerms | None = None
    ) -> UnitCurves:
        """Curves per auction at unit level, (U, POINTS) each."""
        shading = self.shading if first_price.any() else None
        return unit_curves(self.forecast.landscape, direction, first_price, shading, segments)

    def _by_segment(
        self, direction: NDArray[np.float64], first_price: NDArray[np.bool_], segments: SegmentTerms
    ) -> NDArray[np.float64]:
        """(U, 3, S, 4, POINTS) expected wins, spend, conversions and value, as `BudgetPlan.by_segment`."""
        shading = self.shading if first_price.any() else None
        unit = segment_curves(self.forecast.landscape, direction, first_price, shading, segments)
        days = [self._day.over_day(unit, self._day.nodes(direction, within_day=known)) for known in (False, True)]
        return np.stack([*days, unit], axis=1)

    def _ratio_quantiles(self, direction: NDArray[np.float64], scale: NDArray[np.float64]) -> NDArray[np.float64]:
        """(U, 5) log2 of value per price; a bid wins at second price where its value per price is at least 1."""
        wins = self._unit(direction, np.zeros(len(scale), np.bool_)).wins
        needed = [curves.invert(wins, np.full(len(scale), 1 - q)) for q in RATIO_QUANTILES]
        return scale[:, None] - np.stack(needed, axis=1)

    # --- ideal point --------------------------------------------------------------------------

    def _ideal(
        self, budget: NDArray[np.float64], first_price: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What each KPI alone could reach with the budget, and its coefficient then: (U, 3) each, in columns."""
        ideal, alpha = np.zeros((len(budget), 3)), np.zeros((len(budget), 3))
        for j in range(3):
            for first in np.unique(first_price):
                usual = self._single(j, bool(first), 0)
                if usual is None:
                    continue
                small = budget < usual[1][0, 0]  # less than the lowest bids on the grid cost
                for octaves in (0, _FURTHER_DOWN):
                    rows = (first_price == first) & (small == (octaves > 0))
                    single = self._single(j, bool(first), octaves) if rows.any() else None
                    if single is None:
                        continue
                    direction, total, kpi = single
                    x = _reach(np.repeat(total, rows.sum(), axis=0), budget[rows])
                    least = np.maximum(
                        total[:, 0], budget[rows]
                    )  # where the lowest bids cost more: a part of what they buy
                    ideal[rows, j] = budget[rows] / least * curves.lookup(np.repeat(kpi, rows.sum(), axis=0), x)
                    alpha[rows, j] = direction * 2.0**x
        return ideal, alpha

    def _single(
        self, j: int, first: bool, octaves: int
    ) -> tuple[float, NDArray[np.float64], NDArray[np.float64]] | None:
        """Direction, expected spend curve and KPI curve (1, POINTS) of KPI j alone; None where it never occurs.

        The curves' grid begins `octaves` further down than it does for others.
        """
        cache = self._single_cache
        land = self.forecast.landscape
        if land.mean_value[j] <= 0:
            return None
        if (j, first, octaves) not in cache:
            size = land.mean_price / land.mean_value[j] * 2.0**-octaves
            direction = np.zeros((1, 3))
            direction[0, j] = size
            unit = self._unit(direction, np.array([first]))
            nodes = self._day.nodes(direction, within_day=False)
            total = self._day.total(unit.spend, nodes)
            cache[j, first, octaves] = (size, total, self._day.kpi(unit, nodes, j))
        return cache[j, first, octaves]

    @cached_property
    def _single_cache(self) -> dict[tuple[int, bool, int], tuple[float, NDArray[np.float64], NDArray[np.float64]]]:
        return {}


def _reach(total: NDArray[np.float64], budget: NDArray[np.float64]) -> NDArray[np.float64]:
    """The scale at which a total (U, POINTS) meets the budget, or nearly buys everything."""
    return curves.invert(total, np.minimum(budget, _UNSPENT * total[:, -1]))


def _alpha_floor(
    alpha: NDArray[np.float64], single: NDArray[np.float64], limited: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """(U, 3) least coefficients: a share of the single-KPI ones.

    Where a campaign is `limited` (U,) by more than its budget, a share of what is left of them: else the floor alone
    would buy what a target forbids.
    """
    left = np.divide(alpha, single, out=np.zeros_like(alpha), where=single > 0).max(axis=1)
    return ALPHA_FLOOR * single * np.where(limited, np.minimum(left, 1.0), 1.0)[:, None]
