"""What a bidder knows of its day: totals of its slots, reported with delay, and the levels they imply."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.segments import channel_index, channels, is_tail
from bidpilot.bidding.constraints.together import channel_most
from bidpilot.bidding.constraints.totals import DayTotals
from bidpilot.bidding.day.beliefs import Posterior, posterior
from bidpilot.bidding.day.expectation import Expectation
from bidpilot.bidding.day.history import History
from bidpilot.bidding.day.slot_totals import SlotTotals
from bidpilot.bidding.landscape.calendar import Expected
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.landscape.spread import TINY
from bidpilot.bidding.plan.budget_plan import BudgetPlan
from bidpilot.bidding.rule import Rule
from bidpilot.bidding.traffic.filter import TrafficFilter
from bidpilot.bidding.traffic.gate import Gate

VALUE, PRICE, TRAFFIC = range(3)
_LEAST_LEVEL = 2.0**-16
_COUNTED = (
    "spend", "committed", "outstanding", "lapsed", "wins", "tail_wins", "auctions", "predicted", "realised", "requests",
    "refused", "channel_spend",
)  # fmt: skip


class LevelSums(NamedTuple):
    """Log2 levels of value, price and traffic summed over slots, each (3, B), and how they vary."""

    variance: tuple[NDArray[np.float64], ...]  # (3, B) each: between days, blocks, slots
    day_sum: NDArray[np.float64]
    seen: NDArray[np.float64]  # slots
    blocks: NDArray[np.float64]  # blocks with a slot that was seen
    block_sum: NDArray[np.float64]  # of the current block
    block_seen: NDArray[np.float64]


@dataclass(frozen=True)
class _Today:
    """What stays as it is over a day of B rows."""

    campaigns: CampaignBatch
    alpha: NDArray[np.float64]  # (B, 3) the plan's coefficients
    mean_value: NDArray[np.float64]  # (B,) of an auction at these, currency, as the calendar expects it today
    expected: Expectation  # of the day's levels
    usual: NDArray[np.float64]  # (3, B) the same as factors on the mean day's
    variance: tuple[NDArray[np.float64], ...]  # (3, B) each: of log2 levels between days, blocks, slots
    steered: bool  # whether segments differ in any row
    prompt: bool  # whether every row is told of its wins at once
    traffic: TrafficFilter | None  # what decides the gate; None: every request passes

    @classmethod
    def of(
        cls,
        campaigns: CampaignBatch,
        plan: BudgetPlan,
        index: NDArray[np.int64],
        traffic: TrafficFilter | None,
        expected: Expected | None,
    ) -> _Today:
        """A day of `campaigns` (B) whose plans are rows `index` (B,) of `plan`."""
        shown = campaigns.full_feedback
        expectation = Expectation.of(expected, plan, index)
        usual = np.exp2(expectation.level)
        day, block, slot = (
            np.stack(
                [
                    getattr(plan.value_spread, part)[index],
                    np.where(shown, getattr(plan.price_spread, part), TINY**2),
                    np.broadcast_to(getattr(plan.traffic_spread, part), shown.shape),
                ]
            )
            for part in ("day", "block", "slot")
        )
        return cls(
            campaigns=campaigns,
            alpha=plan.alpha[index],
            mean_value=plan.mean_value.sum(axis=1)[index] * usual[VALUE],
            expected=expectation,
            usual=usual,
            variance=(day + expectation.doubt, block, slot),
            steered=bool(campaigns.steers_segments.any()),
            prompt=not campaigns.win_delay.any(),
            traffic=traffic,
        )


class DayStatistics:
    """Statistics of B rows over one day, written slot by slot and read by observation and re-plan.

    Cumulative totals are kept per slot, so that a row whose reports come `d` slots late reads the
    totals of slot `t - d`. Levels of value, price and traffic are log2 ratios to what is expected of the day: the
    forecast, and what its calendar says of the date. Value and traffic come from requests and are known in every
    feedback mode, prices only in `full`.
    """

    def __init__(self, forecast: Forecast, rows: int, history: History | None = None) -> None:
        """Of days that `forecast` is of; `history` is made of the same, None: here."""
        slots = forecast.slots
        self.forecast = forecast
        self._rows = np.arange(rows)
        self.spend = np.zeros((slots + 1, rows))  # cumulative, currency
        self.committed = np.zeros((slots + 1, rows))  # cumulative bids of won auctions, currency
        self.outstanding = np.zeros((slots + 1, rows))  # cumulative bids of these slots not booked yet, currency
        self.lapsed = np.zeros(rows)  # bids that ran out, so that they cost nothing, currency
        self.wins = np.zeros((slots + 1, rows))  # cumulative
        self.tail_wins = np.zeros((slots + 1, rows))  # cumulative
        self.auctions = np.zeros((slots + 1, rows))  # cumulative
        self.predicted = np.zeros(
            (slots + 1, rows, 3)
        )  # cumulative predicted KPI of wins that are not held for invalid
        self.realised = np.zeros((slots + 1, rows, 3))  # cumulative realised KPI of won auctions
        self.requests = np.zeros((slots + 1, rows))  # cumulative, what was refused among them; 0 without a filter
        self.refused = np.zeros((slots + 1, rows))  # cumulative
        self.ratio_quantiles = np.zeros((5, rows))  # log2, of the last slot that showed prices
        self.log_level = np.zeros((3, rows))  # of the last slot: value, price, traffic
        self.history = history or History(forecast, rows)
        self._day_sum, self._block_sum = np.zeros((3, rows)), np.zeros((3, rows))
        self._seen, self._block_seen = np.zeros((3, rows)), np.zeros((3, rows))
        self._blocks, self._blocks_before = np.zeros((3, rows)), np.zeros((3, rows))  # seen: all, without this one
        self._known = np.ones((3, rows))  # 1 where the last slot told of a level
        self._tail = is_tail(forecast.segments).astype(np.int64)
        self.channels, self._channel_of = channels(forecast.segments), channel_index(forecast.segments)
        self._channel = np.eye(len(self.channels))[self._channel_of]  # (S, C)
        self.channel_spend = np.zeros(
            (slots + 1, rows, self._channel.shape[1])
        )  # cumulative; where segments are steered
        self.t = 0
        self._today: _Today

    def begin(
        self,
        campaigns: CampaignBatch,
        plan: BudgetPlan,
        index: NDArray[np.int64],
        traffic: TrafficFilter | None = None,
        expected: Expected | None = None,
    ) -> None:
        """Begin a day of `campaigns` (B) whose plans are rows `index` (B,) of `plan`; `traffic` decides its gates.

        `expected` is what the forecast's calendar says of the rows' dates; None: the mean day.
        """
        self.t = 0
        self._today = _Today.of(campaigns, plan, index, traffic, expected)
        self.history.begin(
            self._today.expected.ratio_quantiles(plan, index), self._today.usual[TRAFFIC], campaigns.full_feedback
        )
        if traffic is not None:
            traffic.begin(np.maximum(campaigns.win_delay, campaigns.interaction_delay))
        for array in (self.ratio_quantiles, self.log_level, self._day_sum, self._block_sum):
            array[:] = 0.0
        for array in (self._seen, self._block_seen, self._blocks, self._blocks_before):
            array[:] = 0.0
        for array in (self.outstanding, self.requests, self.refused):
            array[:] = 0.0
        self.lapsed[:] = 0.0

    def take_over(self, before: DayStatistics) -> None:
        """Go on from what `before` has counted of the same slots of this day, told late among it, and with its filter.

        Levels stay as they are here: they are held against this forecast, and what was counted is not.
        """
        for name in _COUNTED:
            getattr(self, name)[:] = getattr(before, name)
        self._today = replace(self._today, traffic=before.traffic)

    @property
    def prompt(self) -> bool:
        """Whether every row is told of its wins at once."""
        return self._today.prompt

    @property
    def campaigns(self) -> CampaignBatch:
        """The campaigns of the day's rows (B)."""
        return self._today.campaigns

    @property
    def expected(self) -> Expectation:
        """What the calendar expects of the day's levels, against the mean day's forecast."""
        return self._today.expected

    @property
    def arrived(self) -> NDArray[np.float64]:
        """Cumulative auctions (T + 1, B), as many as on the mean day where a day is as the calendar expects it."""
        return self.auctions / self._today.usual[TRAFFIC]  # type: ignore[no-any-return]

    @property
    def traffic(self) -> TrafficFilter | None:
        """What decides the day's gates; None: every request passes."""
        return self._today.traffic

    def gate(self) -> Gate | None:
        """The gate of the coming slot; None where every request passes."""
        return None if self.traffic is None else self.traffic.gate(self.t)

    def close_full_channels(self, rule: Rule) -> Rule:
        """The rule without bids in channels that are known to have taken the most that they may of the day."""
        if not self._today.steered:
            return rule
        open_ = ~self.capped_segments()
        return replace(rule, multiplier=rule.multiplier * open_, beta=rule.beta * open_)

    def update(self, totals: SlotTotals) -> None:
        """Take in the slot that has just passed."""
        t, today = self.t, self._today
        for total, slot in (
            (self.spend, totals.spend),
            (self.committed, totals.committed),
            (self.wins, totals.wins),
            (self.tail_wins, totals.segment_wins @ self._tail),
            (self.auctions, totals.auctions),
            (self.realised, totals.realised),
        ):
            np.add(total[t], slot, out=total[t + 1])
        # the kernel counts down from the budget; summing slots must not pass it by a rounding either
        np.minimum(self.spend[t + 1], today.campaigns.budget, out=self.spend[t + 1])
        if today.steered:
            self.channel_spend[t + 1] = self.channel_spend[t] + totals.segment_spend @ self._channel
        counted = totals.predicted
        if today.traffic is not None:
            self.requests[t + 1] = self.requests[t] + totals.source_auctions.sum(axis=1)
            self.refused[t + 1] = self.refused[t] + totals.source_refused.sum(axis=1)
            today.traffic.update(t, totals)
            counted = counted * (1.0 - today.traffic.filtered())[:, None]
        np.add(self.predicted[t], counted, out=self.predicted[t + 1])
        self._update_levels(totals)
        self.history.update(t, self.auctions, self.log_level, self._known, self.ratio_quantiles)
        self.t = t + 1

    def _update_levels(self, totals: SlotTotals) -> None:
        f, t, level, known, today = self.forecast, self.t, self.log_level, self._known, self._today
        count, some = totals.auctions, np.maximum(totals.auctions, 1.0)
        seen = np.greater(count, 0)
        shown = seen & today.campaigns.full_feedback
        known[VALUE], known[PRICE] = seen, shown
        value = np.einsum("bj,bj->b", today.alpha, totals.requested)
        np.divide(value, some * today.mean_value, out=level[VALUE])
        price = f.landscape.mean_price * f.price_curve[t] * today.usual[PRICE]
        np.divide(totals.price_sum, some * price, out=level[PRICE])
        np.maximum(level[:TRAFFIC], _LEAST_LEVEL, out=level[:TRAFFIC])
        np.copyto(level[:TRAFFIC], 1.0, where=known[:TRAFFIC] == 0.0)
        arrivals = f.auctions[t] * today.usual[TRAFFIC]
        level[TRAFFIC] = np.maximum(count, 0.5) / arrivals if f.auctions[t] > 0 else 1.0
        np.log2(level, out=level)
        self._seen += known
        self._block_seen += known
        self._day_sum += level
        self._block_sum += level
        np.add(self._blocks_before, np.minimum(self._block_seen, 1.0), out=self._blocks)
        if (t + 1) % f.level_slots == 0:  # of a block that has not begun nothing is seen
            self._blocks_before[:] = self._blocks
            self._block_sum[:] = 0.0
            self._block_seen[:] = 0.0
        quantiles = np.maximum(totals.ratio_quantiles.T, _LEAST_LEVEL, order="C")
        np.copyto(self.ratio_quantiles, np.log2(quantiles, out=quantiles), where=shown)

    def levels(self) -> Posterior:
        """What is believed of the day's and the block's levels after `t` slots, each (3, B)."""
        return posterior(*self.level_sums())

    def price_level(self) -> NDArray[np.float64]:
        """The price level (B,) believed of the block under way, a ratio to the forecast of the mean day.

        It is what the calendar expects of the date where no prices are shown. First-price bids are shaded at it: with
        prices twice the forecast's, a value as one half of it would be there.
        """
        level: NDArray[np.float64] = np.exp2(self.levels().about(self.expected.level).block[PRICE])
        return level

    def level_sums(self) -> LevelSums:
        """What beliefs about the levels are made from."""
        return LevelSums(
            self._today.variance, self._day_sum, self._seen, self._blocks, self._block_sum, self._block_seen
        )

    def mean_levels(self) -> NDArray[np.float64]:
        """Mean log2 level (3, B) of the slots seen so far, not drawn towards the forecast as in `levels`."""
        return self._day_sum / np.maximum(self._seen, 1.0)

    def reported(self, totals: NDArray[np.float64], back: int = 0) -> NDArray[np.float64]:
        """The cumulative `totals` (T + 1, B, ...) of wins that each row has been told of, `back` slots ago."""
        at = max(self.t - back, 0)
        if self._today.prompt:
            return totals[at]  # type: ignore[no-any-return]
        return totals[np.maximum(at - self.campaigns.win_delay, 0), self._rows]

    def expect_bills(self, outstanding: NDArray[np.float64]) -> None:
        """Take in the bids (T, B) of each slot that may still cost their price and are not booked, currency.

        The environment books every win in its slot and has none.
        """
        np.cumsum(outstanding, axis=0, out=self.outstanding[1:])

    def budget(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Settled spend and money reserved for what is not yet reported, at its bid, currency (B,) each."""
        settled, outstanding = self.reported(self.spend), self.outstanding[self.t]
        if self._today.prompt:
            return settled, outstanding.copy()
        return settled, self.committed[self.t] - self.reported(self.committed) + outstanding

    def withheld(self) -> NDArray[np.float64]:
        """What the money reserved exceeds the prices of those wins by, currency (B,): no bidder knows it."""
        settled, reserved = self.budget()
        excess: NDArray[np.float64] = np.maximum(reserved - (self.spend[self.t] - settled), 0.0)
        return excess

    def capped_segments(self) -> NDArray[np.bool_]:
        """(B, S) segments of channels whose reported spend has reached the most that they may take of the day."""
        most = channel_most(self.campaigns.bounds, self.channels, self.campaigns.budget)
        reached: NDArray[np.bool_] = self.reported(self.channel_spend) >= most
        return reached[:, self._channel_of]

    def told(self) -> DayTotals:
        """The totals that each row has been told of, KPIs as predicted."""
        return self._totals(
            self.reported(self.spend),
            self.reported(self.predicted),
            self.reported(self.wins),
            self.reported(self.tail_wins),
            self.reported(self.channel_spend),
        )

    def so_far(self, spend: NDArray[np.float64], kpi: NDArray[np.float64]) -> DayTotals:
        """The totals as they are, with spend (B,) and KPIs (B, 3) given."""
        t = self.t
        return self._totals(spend, kpi, self.wins[t], self.tail_wins[t], self.channel_spend[t])

    def _totals(
        self,
        spend: NDArray[np.float64],
        kpi: NDArray[np.float64],
        wins: NDArray[np.float64],
        tail_wins: NDArray[np.float64],
        channel_spend: NDArray[np.float64],
    ) -> DayTotals:
        worth = self.campaigns.conversion_value
        return DayTotals(spend, kpi, wins, tail_wins, channel_spend, self.channels, worth)
