"""The pilot: keeps a campaign's day as the environment does, and turns it into the bid rule once per slot."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bidpilot.agents.acting.agent import Action, Agent, AgentDay
from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.campaign.segments import channel_index, is_tail
from bidpilot.bidding.day.action import action_size, decode
from bidpilot.bidding.day.expectation import Expectation
from bidpilot.bidding.day.observation import Observer
from bidpilot.bidding.day.replan import Replanner
from bidpilot.bidding.day.replanners import replanner
from bidpilot.bidding.day.slot_totals import SlotTotals
from bidpilot.bidding.day.statistics import DayStatistics
from bidpilot.bidding.day.steering import Steering
from bidpilot.bidding.errors import InvalidGate
from bidpilot.bidding.landscape.calendar import LEVELS
from bidpilot.bidding.landscape.forecast import PRICE_LEVEL, TRAFFIC_LEVEL
from bidpilot.bidding.plan.planner import Planner
from bidpilot.bidding.rule import Rule
from bidpilot.bidding.traffic.filter import TrafficFilter
from bidpilot.bidding.traffic.gate import Gate
from bidpilot.serving.collector import SlotCollector
from bidpilot.serving.guardrails import Cause, EventLog


@dataclass(frozen=True)
class Decision:
    """What holds during one slot."""

    slot: int
    observation: NDArray[np.float32]  # (F,)
    action: NDArray[np.float64]  # (3 + S,)
    rule: Rule  # one row, with the slot's gate by source
    planned: bool  # True where the plan took the policy's place


class Pilot:
    """One campaign's day: `begin`, then `close_slot` with each slot's totals.

    What the agent and the filter of traffic remember is stored nowhere: closing the slots of a day again, in order,
    with the totals that were stored brings it back, as it does the statistics.

    The policy is asked once per slot. Where it fails, takes longer than `patience` seconds, or answers
    outside its range, the slot is bid at the plan (zero action) and the cause is counted.

    Args:
        planner, campaign, agent: what is bid for, and who decides.
        sources: sources that are told apart.
        events: where interventions are counted.
        patience: longest time that the policy may take, seconds.
        traffic: what decides each slot's gate, of one row and this day alone; None: every request passes.
        day: days since 1970 in the campaign's own time zone, by which the forecast's calendar knows the weekday; None:
            the mean day.
    """

    def __init__(
        self,
        planner: Planner,
        campaign: Campaign,
        agent: Agent,
        sources: int,
        events: EventLog,
        patience: float = 0.05,
        traffic: TrafficFilter | None = None,
        day: int | None = None,
    ) -> None:
        forecast = planner.forecast
        self._expected = forecast.expected(None if day is None else np.array([day]))
        self.forecast, self.campaign, self._planner = forecast, campaign, planner
        self._batch = CampaignBatch.repeat(campaign, 1)
        self._plan, self._index = planner.plan(self._batch)
        self.alpha = self._plan.alpha[self._index]
        self._multiplier, self._beta = self._plan.multiplier[self._index], self._plan.beta[self._index]
        self._agent, self._events, self._patience = agent, events, patience
        self._sources, self.traffic = sources, traffic
        self._statistics = DayStatistics(forecast, 1)
        self._observer = Observer(forecast, 1)
        self._size = action_size(len(forecast.segments))
        self._made: tuple[Steering | None, Replanner] | None = None
        self.refused = np.zeros(forecast.slots, np.int64)  # (T,) requests that the gate refused
        self.by_plan = False
        """Whether the plan takes the policy's place, whatever it answers."""
        self._asked: Future[Action] | None = None
        self._asker = ThreadPoolExecutor(1, thread_name_prefix="policy")

    @property
    def slot(self) -> int:
        """The slot under way; T when the day is over."""
        return self._statistics.t

    @property
    def over(self) -> bool:
        """Whether all slots are closed."""
        return self.slot >= self.forecast.slots

    @property
    def unit_value(self) -> NDArray[np.float64]:
        """Mean KPI (3,) of an auction of the forecast, own units."""
        unit = self.forecast.kpi_unit(self.campaign.conversion_value)
        mean: NDArray[np.float64] = self.forecast.landscape.mean_value / unit
        return mean

    def collector(self, sources: int) -> SlotCollector:
        """What counts this campaign's slots."""
        expected = np.exp2(np.zeros(LEVELS) if self._expected is None else self._expected.level[0])
        ratios = Expectation.of(self._expected, self._plan, self._index).ratio_quantiles(self._plan, self._index)
        return SlotCollector(
            self.forecast,
            sources,
            self.alpha[0],
            usual=self.unit_value * expected[:PRICE_LEVEL],
            ratios=np.exp2(ratios[:, 0]),
            price=float(expected[PRICE_LEVEL]),
            traffic=float(expected[TRAFFIC_LEVEL]),
        )

    def prepare(self) -> Pilot:
        """Make what a day needs besides its traffic, which takes most of the time of `begin`; this pilot."""
        forecast, plan, index = self.forecast, self._plan, self._index
        steering = Steering.where_constrained(forecast, plan, index, self._batch)
        self._made = steering, replanner(self._agent.replan, self._planner, plan, index)
        return self

    def begin(self) -> Decision:
        """Begin the day, or begin it anew; what holds in its first slot.

        Raises:
            InvalidGate: the filter's gate is not of these sources.
        """
        if self._made is None:
            self.prepare()
        assert self._made is not None
        plan, index = self._plan, self._index
        steering, made = self._made
        self._statistics.begin(self._batch, plan, index, self.traffic, self._expected)
        self._observer.begin(self._statistics, plan, index, made, steering)
        self._day = AgentDay(self._agent, 1, len(self.forecast.segments))
        return self._decide(None)

    def close_slot(
        self, totals: SlotTotals, outstanding: NDArray[np.float64] | None = None, settled: float = 0.0
    ) -> Decision:
        """Take in the slot that has passed; what holds in the next (the last decision stands when the day is over).

        `outstanding` (T,) is the money held for bids of each slot that may still be billed, currency; None: nothing.
        `settled` is currency that is known to be paid by now, without what it bought or in which slot.
        """
        self.refused[self.slot] = int(totals.source_refused.sum())
        self._statistics.update(totals)
        if settled > 0:  # from the first slot on: what is paid has been told, however late bills come
            spend = self._statistics.spend[1 : self.slot + 1]
            np.minimum(spend + settled, self._batch.budget, out=spend)
        self._statistics.expect_bills(
            np.zeros((self.forecast.slots, 1)) if outstanding is None else outstanding[:, None]
        )
        return self._decide(self._last)

    @property
    def statistics(self) -> DayStatistics:
        """What the day has brought so far, one row: of all bidders."""
        return self._statistics

    @property
    def planned_curve(self) -> NDArray[np.float64]:
        """(T + 1,) cumulative spend by the plan, currency."""
        spend: NDArray[np.float64] = self._plan.spend[self._index[0]]
        return spend

    @property
    def planned_wins(self) -> NDArray[np.float64]:
        """(T,) wins per slot by the plan."""
        wins: NDArray[np.float64] = self._plan.wins[self._index[0]]
        return wins

    @property
    def money(self) -> tuple[float, float]:
        """What the policy was last told of settled and of held money, currency."""
        settled, reserved = self._statistics.budget()
        return float(settled[0]), float(reserved[0])

    @property
    def spend(self) -> float:
        """What is booked of the slots that have passed, told or not, currency."""
        return float(self._statistics.spend[self.slot, 0])

    def take_over(self, before: Pilot) -> None:
        """Go on with the day of another pilot in this slot: what it has counted stands, and its filter of traffic."""
        self._statistics.take_over(before._statistics)
        self.traffic, self._events, self._patience = before.traffic, before._events, before._patience
        self.by_plan, self.refused = before.by_plan, before.refused
        before.close()

    def lapse(self, amount: float) -> None:
        """A bid ran out without a notice, currency: nothing will be charged for it."""
        self._statistics.lapsed += amount

    def late(self, slot: int, totals: SlotTotals) -> None:
        """Book what is told only now of an earlier slot, where it would have been booked in time; one row."""
        s, after = self._statistics, slice(slot + 1, self.slot + 1)
        s.spend[after] = np.minimum(s.spend[after] + totals.spend, self._batch.budget)
        for name in ("committed", "wins", "predicted", "realised"):
            getattr(s, name)[after] += getattr(totals, name)
        segments = self.forecast.segments
        s.tail_wins[after] += totals.segment_wins @ is_tail(segments).astype(np.int64)
        for segment, channel in enumerate(channel_index(segments)):
            s.channel_spend[after, :, channel] += totals.segment_spend[:, segment]
        if s.traffic is not None:
            s.traffic.late(slot, totals)

    def _decide(self, last: NDArray[np.float64] | None) -> Decision:
        observation = self._observer.observe(self._statistics, last)
        self._answer = None if self.over else self._ask(observation)
        self._seen = observation[0], self._gate(), self._statistics.price_level()
        return self.hold(self.by_plan)

    def hold(self, by_plan: bool) -> Decision:
        """What holds from now on: in the slot under way the plan, or again what the policy has answered for it."""
        self.by_plan = by_plan
        observation, gate, level = self._seen
        planned = by_plan or self._answer is None
        action = np.zeros((1, self._size)) if by_plan or self._answer is None else self._answer
        self._last = action
        rule = self._statistics.close_full_channels(decode(action, self.alpha, self._multiplier, self._beta))
        return Decision(self.slot, observation, action[0], replace(rule, gate=gate, price_level=level), planned)

    def planned_spend(self, slot: int) -> float:
        """What the plan has for a slot, currency."""
        spend = self._plan.spend[self._index][0]
        return float(spend[slot + 1] - spend[slot])

    def due(self, slot: int) -> float:
        """What the plan has for the slot under way, or the same part of what is left where that is more, currency."""
        spend = self._plan.spend[self._index][0]
        own, coming = self.planned_spend(slot), float(spend[-1] - spend[slot])
        return max(own, own / coming * (self.campaign.budget - sum(self.money))) if coming > 0 else own

    def _gate(self) -> Gate | None:
        """The gate of the slot under way; None where every request passes, and when the day is over."""
        gate = None if self.over else self._statistics.gate()
        if gate is not None and gate.multiplier.shape != (1, self._sources):
            raise InvalidGate(
                f"the gate is of {gate.multiplier.shape} rows and sources, the server's of (1, {self._sources}): its "
                "clusters and the pool. Make the filter of traffic for as many sources."
            )
        return gate

    def _ask(self, observation: NDArray[np.float32]) -> NDArray[np.float64] | None:
        """The policy's action, clipped; None where the plan must take its place."""
        if self._asked is not None and not self._asked.done():
            self._events.record(Cause.policy_slow, "the policy still works on an earlier slot")
            return None
        self._asked = self._asker.submit(self._day.act, observation)
        try:
            action = np.asarray(self._asked.result(self._patience), np.float64)
        except TimeoutError:
            self._events.record(Cause.policy_slow, f"no answer within {self._patience} s")
            return None
        except Exception as error:  # whatever a policy raises, the campaign goes on at the plan
            self._events.record(Cause.policy_failed, f"{type(error).__name__}: {error}")
            return None
        if action.shape != (1, self._size) or not np.isfinite(action).all() or np.abs(action).max() > 1.0 + 1e-6:
            self._events.record(Cause.policy_out_of_range, f"shape {action.shape}, not all in [-1, 1]")
            return None
        return np.clip(action, -1.0, 1.0)

    def close(self) -> None:
        """Let the policy's thread end."""
        self._asker.shutdown(wait=False)
