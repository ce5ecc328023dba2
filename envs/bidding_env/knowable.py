"""The re-plan that is told the market's law and the current levels, not the future: all that a bidder could know."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.day.beliefs import Posterior
from bidpilot.bidding.day.replan import Replanner
from bidpilot.bidding.errors import UnknownLaw
from bidpilot.bidding.landscape import curves
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.landscape.shading import fit_shading
from bidpilot.bidding.landscape.unit_curves import SegmentTerms
from bidpilot.bidding.plan.budget_plan import BudgetPlan
from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.markets.base import Market
from bidpilot.envs.markets.law import Law, LawCurves, LawfulMarket
from bidpilot.envs.markets.money_value import money_value
from bidpilot.envs.synthetic.day_levels import PRICE, TRAFFIC, VALUE

Matrix = NDArray[np.float64]


class KnowableReplanner(Replanner):
    """Told, of B days of a market whose law is known: the law, the day's own levels with their drift, and exactly the
    levels of slots that have passed; not the auctions, and nothing of blocks, shocks or traffic to come.

    Value levels are those of the predictions that bids are made from. Levels of segments and sources of their own
    are not told, nor what a filter of traffic refuses.

    Raises:
        UnknownLaw: the days were not made by a synthetic market.
    """

    def __init__(
        self,
        market: Market,
        days: DayBatch,
        campaigns: CampaignBatch,
        forecast: Forecast,
        plan: BudgetPlan,
        index: NDArray[np.int64],
    ) -> None:
        super().__init__(forecast, plan, index)
        if not isinstance(market, LawfulMarket) or days.uniforms is None:
            raise UnknownLaw(
                f"`knowable` is told a market's law, and nobody knows that of {market.log.name}: its days are recorded "
                "or mixed. Play it on a suite of the catalogue, and `mpc_informed` on a log."
            )
        self._law, self._index = Law.of(market), index
        self._curves_of = _curves(market, self._law, campaigns, forecast, plan, index)
        tables = []
        for u in range(len(plan.scale)):
            budget = float(campaigns.budget[index == u].max(initial=0.0))
            at_pairs = self._curves_of.at(np.full(len(self._law.value), u), self._law.value)
            tables.append(money_value(self._law, at_pairs, budget, float(plan.scale[u])))
        self._later = np.stack([table.later for table in tables])  # (U, blocks + 1, POINTS)
        self._blind = np.stack([table.blind for table in tables])  # (U, blocks, POINTS)
        self._levels = market.levels(days.uniforms)
        self._calibration = days.calibration

    def scale(self, levels: Posterior, left: Matrix, t: int) -> Matrix:
        """log2 of the scale (B,) against the plan's; what the statistics believe of `levels` is not needed."""
        law, u = self._law, self._index
        block, passed = divmod(t, law.level_slots)
        if passed == 0:
            size, shift = self._later_level(t, t)
            money = left / size
            return curves.invert(self._blind[u, block], money) - shift - self._scale
        end = (block + 1) * law.level_slots
        size, shift = self._later_level(t, end)
        spend = self._rest_of_block(t, end)
        spend += curves.lookup(self._later[u, block + 1], curves.GRID + shift[:, None]) * size[:, None]
        return curves.invert(spend, np.minimum(left, spend[:, -1])) - self._scale

    def _later_level(self, t: int, start: int) -> tuple[Matrix, Matrix]:
        """Size and shift in octaves (B,) of the law's blocks from slot `start` on, as known before slot `t`."""
        log_lasting = np.log(self._levels.lasting[:, :, min(start, self._law.slots - 1) :]).mean(axis=2)
        value, price, traffic = np.exp(log_lasting)
        shock = self._shock(t)
        traffic = traffic * np.where(shock < 1.0, shock, self._law.unshaken[t])
        bid = self._curves_of.mean_bid(self._index, self._seen(value))
        return price * traffic, np.log2(bid / price)

    def _rest_of_block(self, t: int, end: int) -> Matrix:
        """(B, POINTS) spend from slot `t` to the block's end at the levels that its slots so far have had."""
        law, (lasting, now, _) = self._law, self._levels
        last = t - 1
        value = now[VALUE, :, last] / lasting[VALUE, :, last] * np.exp(np.log(lasting[VALUE, :, t:end]).mean(axis=1))
        curve = self._curves_of.at(self._index, self._seen(value))
        price = now[PRICE, :, last] / lasting[PRICE, :, last]
        usual = self._shock(t)
        changes = t if t % law.traffic_slots == 0 else -(-t // law.traffic_slots) * law.traffic_slots
        spend = np.zeros_like(curve)
        for r in range(t, end):
            level = price * lasting[PRICE, :, r] * law.price_curve[r]
            traffic = now[TRAFFIC, :, last] if r < changes else lasting[TRAFFIC, :, r] * usual
            there = curves.GRID - np.log2(level)[:, None]
            spend += curves.lookup(curve, there) * (law.demand[r] * traffic * level)[:, None]
        return spend

    def _shock(self, t: int) -> Matrix:
        """(B,) factor on traffic of shocks that have begun before slot `t`."""
        shock = self._levels.shock
        return shock[:, t - 1] if t else np.ones(len(shock))

    def _seen(self, value: Matrix) -> Matrix:
        """Value levels (B,) of the day's predictions, which are off by its calibration."""
        return self._curves_of.seen_level(self._index, value, self._calibration)


def _curves(
    market: LawfulMarket,
    law: Law,
    campaigns: CampaignBatch,
    forecast: Forecast,
    plan: BudgetPlan,
    index: NDArray[np.int64],
) -> LawCurves:
    """The law's curves in the directions of the plans, on the plans' own grid of scales."""
    bid_scale = np.exp2(plan.scale)[:, None]
    first_price = np.array([campaigns.first_price[index == u].any() for u in range(len(plan.scale))])
    shading = fit_shading(forecast.landscape) if first_price.any() else None
    terms = None
    if (plan.multiplier != 1.0).any() or plan.beta.any():
        unscaled = plan.beta / (np.maximum(plan.multiplier, 2.0**-16) * bid_scale)
        terms = SegmentTerms(plan.multiplier, unscaled)
    return LawCurves.of(market, law, plan.alpha / bid_scale, first_price, shading, terms)
