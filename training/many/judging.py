"""One campaign planned and judged: what it can have, and who is to bid for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

from bidpilot.agents.acting.agent import Agent, controller_agent
from bidpilot.agents.acting.controllers import ADAPTIVE, MPC
from bidpilot.agents.acting.policy import NetworkPolicy
from bidpilot.agents.gains import tuned_gains
from bidpilot.bidding.errors import BidpilotError
from bidpilot.bidding.kpi import KPI
from bidpilot.solvers.allocation import allocate
from bidpilot.training.evaluation.statistics import interquartile_mean
from bidpilot.training.evaluation.suites import validation_arena, validation_units
from bidpilot.training.evaluation.traffic import detected
from bidpilot.training.many.members import Member
from bidpilot.training.setting.setting import Setting
from bidpilot.training.solve.records import plan_record
from bidpilot.training.train.verdict import Ground, choose, verdict_grounds


class JudgedRow(TypedDict):
    """What was found of one campaign."""

    campaign: str
    on: str  # preset or log
    budget: float | None
    spend: float | None  # planned, currency
    exposure: float | None  # planned
    interaction: float | None
    conversion: float | None
    choice: str | None  # who is to bid
    ratio: float | None  # interquartile mean of R / R* of the choice on the days that judged
    vs_mpc: float | None  # mean difference to `mpc` there
    vs_low: float | None  # its 95 % interval
    vs_high: float | None
    days: int
    why: str  # of the choice, or what is wrong with the campaign
    policy: str | None  # id of the run whose policy was judged


@dataclass(frozen=True)
class Judged:
    """What a worker sends back of one campaign."""

    row: JudgedRow
    plan: Mapping[str, Any] | None  # as `solve` keeps it; None where there is none


@dataclass(frozen=True)
class Judges:
    """Plans and judges one campaign; market and forecast are made once for all that share them."""

    policies: Mapping[str, tuple[str, NetworkPolicy]]  # run and policy, by what members share
    days: int
    seed: int

    def __call__(self, member: Member) -> Judged:
        """What was found; the fault of a campaign is its own, and others go on."""
        run, policy = self.policies.get(member.shares, (None, None))
        try:
            setting = member.setting(self.seed)
            plan = allocate(setting.forecast, setting.campaign)
            grounds, names = self._play(setting, policy)
        except BidpilotError as error:
            return Judged(_fault(member, f"{type(error).__name__}: {error}", run), None)
        validated = {name: float(grounds[0].ratios[name].mean()) for name in names}
        choice, why = choose(names, grounds, validated)
        beside = grounds[0].pair(choice, MPC.name)
        row = JudgedRow(
            campaign=member.name,
            on=setting.name,
            budget=setting.campaign.budget,
            spend=float(plan.spend.sum()),
            exposure=float(plan.kpi[KPI.index("exposure")]),
            interaction=float(plan.kpi[KPI.index("interaction")]),
            conversion=float(plan.kpi[KPI.index("conversion")]),
            choice=choice,
            ratio=interquartile_mean(grounds[0].ratios[choice]),
            vs_mpc=beside["diff"],
            vs_low=beside["diff_low"],
            vs_high=beside["diff_high"],
            days=len(grounds[0].units),
            why=why,
            policy=run,
        )
        return Judged(row, plan_record(plan))

    def _play(self, setting: Setting, policy: NetworkPolicy | None) -> tuple[list[Ground], tuple[str, ...]]:
        """Everyone on the days that judge, or for want of those on the ones that chose; the simplest first."""
        gains = tuned_gains(setting.tuned_as)
        agents: dict[str, Agent] = {n: controller_agent(n, gains.get(n)) for n in (MPC.name, ADAPTIVE.name)}
        if policy is not None:
            policy.check(len(setting.forecast.segments))
            agents[policy.name] = policy
        arenas = [
            (suite.arena, suite.kept_units) for suite in verdict_grounds(setting, self.days, self.seed, detected, False)
        ]
        if not arenas:
            arena = validation_arena(setting, self.days, self.seed)
            arenas = [(arena, validation_units(setting, arena))]
        played = [Ground(setting.name, {n: a.play(agent).ratio for n, agent in agents.items()}, u) for a, u in arenas]
        return played, tuple(agents)


def _fault(member: Member, why: str, policy: str | None) -> JudgedRow:
    nothing: dict[str, Any] = dict.fromkeys(JudgedRow.__annotations__)
    known = {"campaign": member.name, "on": member.shares, "days": 0, "why": why, "policy": policy}
    return JudgedRow(**{**nothing, **known})  # type: ignore[typeddict-item]
