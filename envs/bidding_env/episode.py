"""One day of B campaigns against a market: the state that every environment and evaluation steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.scalarisation import utility
from bidpilot.bidding.constraints.together import missed, score_factor
from bidpilot.bidding.day.action import decode
from bidpilot.bidding.day.observation import Observer
from bidpilot.bidding.day.replan import Replanner
from bidpilot.bidding.day.replanners import Replan
from bidpilot.bidding.day.slot_totals import SlotTotals
from bidpilot.bidding.day.statistics import DayStatistics
from bidpilot.bidding.day.steering import Steering
from bidpilot.bidding.errors import InvalidAction, InvalidGate, InvalidMarket, PolicyMismatch
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.bidding.plan.budget_plan import BudgetPlan
from bidpilot.bidding.plan.planner import Planner
from bidpilot.bidding.rule import Rule
from bidpilot.bidding.traffic.filter import TrafficFilter
from bidpilot.bidding.traffic.gate import Gate
from bidpilot.envs.bidding_env.compiled_history import CompiledHistory
from bidpilot.envs.bidding_env.compiled_replanner import compiled_replanner
from bidpilot.envs.clearing.columns import FirstPrice, Withheld
from bidpilot.envs.clearing.slot import clear_slot
from bidpilot.envs.clearing.threads import check_threads
from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.markets.base import Market


@dataclass(frozen=True)
class Today:
    """What stays as it is over a day of B rows."""

    days: DayBatch
    campaigns: CampaignBatch
    plan: BudgetPlan
    index: NDArray[np.int64]  # (B,) each row's plan
    alpha: NDArray[np.float64]  # (B, 3) reference coefficients, currency per unit of KPI
    multiplier: NDArray[np.float64]  # (B, S)
    beta: NDArray[np.float64]  # (B, S) currency per exposure
    ideal: NDArray[np.float64]  # (B, 3) each KPI's own unit
    plan_utility: NDArray[np.float64]  # (B,) of the plan's expected totals
    first_price: FirstPrice


ReplannerOf = Callable[
    [Market, DayBatch, CampaignBatch, Forecast, BudgetPlan, NDArray[np.int64]],
    Replanner,
]
"""Makes the re-plan of B days of a market: of their campaigns, each of which follows plan `index[b]`."""


class Episode:
    """B days side by side. `begin`, then T times `play` or `play_rule`; auctions are cleared on so many `threads`."""

    def __init__(self, market: Market, forecast: Forecast, rows: int, threads: int = 1) -> None:
        if market.slots != forecast.slots or len(market.log.segments) != len(forecast.segments):
            raise PolicyMismatch(
                f"the forecast has {forecast.slots} slots and {len(forecast.segments)} segments, the market "
                f"{market.slots} and {len(market.log.segments)}. Use this market's own forecast."
            )
        self.market, self.planner, self.threads = market, Planner(forecast), check_threads(threads)
        self.rows, self.slots, self.segments = rows, market.slots, len(market.log.segments)
        self.totals = SlotTotals.zeros(rows, self.segments, market.log.sources)
        self.statistics = DayStatistics(forecast, rows, CompiledHistory(forecast, rows))
        self.observer = Observer(forecast, rows)
        self.kpi = np.zeros((rows, 3))  # true KPI of valid auctions so far
        self.left = np.zeros(rows)
        self.utility = np.zeros(rows)
        self.today: Today
        self.replan: Replan  # that the observations of the day hold
        self.rule: Rule  # of the slot played last

    def begin(
        self,
        days: DayBatch,
        campaigns: CampaignBatch,
        replanner_of: ReplannerOf | None = None,
        plan: tuple[BudgetPlan, NDArray[np.int64]] | None = None,
        traffic: TrafficFilter | None = None,
        replan: Replan = Replan.FORECAST,
    ) -> NDArray[np.float32]:
        """Start the days; the first observation (B, F). `plan` holds plans made before, and each row's (B,).

        `traffic` decides the gate of every slot; None: every request passes. `replan` is what the observation's re-plan
        is made by: that of the agent who plays. `replanner_of` makes it in place of that: a reference that is told
        more than a bidder is.

        Raises:
            InvalidMarket: not one day and one campaign for each row.
        """
        if len(days) != self.rows or len(campaigns) != self.rows:
            raise InvalidMarket(
                f"an episode of {self.rows} rows needs as many days and campaigns; got {len(days)} days and "
                f"{len(campaigns)} campaigns. Make one of each per row."
            )
        made, index = self.planner.plan(campaigns) if plan is None else plan
        forecast = self.planner.forecast
        factors = self.planner.shading if campaigns.first_price.any() else _NO_SHADING
        self.today = Today(
            days=days,
            campaigns=campaigns,
            plan=made,
            index=index,
            alpha=made.alpha[index],
            multiplier=made.multiplier[index],
            beta=made.beta[index],
            ideal=made.ideal[index],
            plan_utility=made.utility[index],
            first_price=FirstPrice(campaigns.first_price, factors, np.full(self.rows, forecast.landscape.mean_price)),
        )
        if days.answers is not None:
            days.answers.begin()
        self.replan = replan
        self.left[:] = campaigns.budget
        self.kpi[:] = 0.0
        self.utility[:] = 0.0
        replanner: Replanner
        if replanner_of is None:
            replanner = compiled_replanner(replan, self.planner, made, index)
        else:
            replanner = replanner_of(self.market, days, campaigns, forecast, made, index)
        self.statistics.begin(campaigns, made, index, traffic, forecast.expected(days.date))
        steering = Steering.where_constrained(forecast, made, index, campaigns)
        self.observer.begin(self.statistics, made, index, replanner, steering)
        return self.observer.observe(self.statistics, None)

    @property
    def t(self) -> int:
        """Slots played."""
        return self.statistics.t

    def play(self, action: NDArray[np.floating], gate: Gate | None = None) -> NDArray[np.float32]:
        """Play one slot with actions (B, 3 + S); the next observation (B, F). `gate` replaces the filter's."""
        self.play_rule(replace(self.decoded(action), gate=gate or self.statistics.gate()))
        return self.observer.observe(self.statistics, action)

    def decoded(self, action: NDArray[np.floating]) -> Rule:
        """The rule of actions (B, 3 + S), without bids in channels known to have taken the most that they may."""
        today = self.today
        rule = self.statistics.close_full_channels(decode(action, today.alpha, today.multiplier, today.beta))
        if not today.campaigns.first_price.any():
            return rule
        return replace(rule, price_level=self.statistics.price_level())

    def play_rule(self, rule: Rule) -> None:
        """Play one slot with a rule given outright, without an observation.

        Raises:
            InvalidAction: the rule is not of this market's segments and this episode's rows.
            InvalidGate: its gate is not of this market's sources and this episode's rows.
            InvalidMarket: the day is over.
        """
        if rule.multiplier.shape != (self.rows, self.segments) or rule.beta.shape != rule.multiplier.shape:
            raise InvalidAction(
                f"a rule needs a multiplier and a beta for {self.rows} rows and {self.segments} segments; got "
                f"{rule.multiplier.shape} and {rule.beta.shape}. Actions have 3 + segments entries."
            )
        sources = self.market.log.sources
        if rule.gate is not None and rule.gate.multiplier.shape != (self.rows, sources):
            raise InvalidGate(
                f"the gate is of {rule.gate.multiplier.shape} rows and sources, the episode of {self.rows} and the "
                f"market of {sources}. Give one multiplier and quota for each."
            )
        if self.t >= self.slots:
            raise InvalidMarket(f"all {self.slots} slots of the day are played. Begin the next day.")
        self.rule = rule
        first_price, withheld = self.today.first_price.at(rule.price_level), self._withheld()
        if self.today.days.answers is not None:
            self.today.days.answers.answer(self.t, rule, self.left, withheld, first_price, self.threads)
        clear_slot(
            self.market,
            self.today.days,
            self.t,
            rule,
            self.left,
            first_price,
            self.today.alpha,
            self.totals,
            withheld,
            self.threads,
        )
        self.kpi += self.totals.true
        self.statistics.update(self.totals)
        campaigns = self.today.campaigns
        self.utility = utility(self.kpi, self.today.ideal, campaigns.preference, campaigns.kind)

    def _withheld(self) -> Withheld | None:
        """What the ledger holds beyond prices before the coming slot; None where every row is told of wins at once."""
        late = self.statistics.campaigns.win_delay > 0
        return Withheld(late, self.statistics.withheld()) if late.any() else None

    def judge_by(self, campaigns: CampaignBatch) -> None:
        """Score the day by other bounds than those that its agent was told."""
        self.today = replace(self.today, campaigns=campaigns)

    def score(self) -> NDArray[np.float64]:
        """R (B,): utility so far, reduced where a soft constraint is missed."""
        factor = score_factor(self.today.campaigns.bounds, self.today.campaigns.budget - self.left, self.kpi)
        return self.utility if factor is None else self.utility * factor

    def violation(self) -> NDArray[np.float64]:
        """(B,) the worst relative excess over a constraint so far, in true KPIs; 0 where all are kept."""
        return np.max([*self.violations().values(), np.zeros(self.rows)], axis=0)  # type: ignore[no-any-return]

    def violations(self) -> dict[str, NDArray[np.float64]]:
        """Relative excess (B,) over each kind of constraint so far, in true KPIs; 0 where it is kept or not asked."""
        campaigns = self.today.campaigns
        return missed(campaigns.bounds, self.statistics.so_far(campaigns.budget - self.left, self.kpi))


_NO_SHADING = np.ones(1)
