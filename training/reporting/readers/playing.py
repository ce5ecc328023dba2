"""Evidence of days that an agent plays, with the plan beside it and one decision explained."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from bidpilot.agents.acting.agent import AgentDay
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.errors import InvalidConfig
from bidpilot.bidding.kpi import KPI
from bidpilot.envs.markets.recorded.replay import RecordedMarket
from bidpilot.training.evaluation.play import Arena
from bidpilot.training.explain.explanation import Explanation, explain_slot
from bidpilot.training.explain.function import Explainable
from bidpilot.training.report.progress import Step
from bidpilot.training.reporting.config import ReportConfig
from bidpilot.training.reporting.evidence import Decision, Evidence, Factor
from bidpilot.training.reporting.readers.planned import planned
from bidpilot.training.reporting.words import number, sentence, sentences
from bidpilot.training.roi.played import NOTE_FUNNEL, played
from bidpilot.training.roi.rows import Rows
from bidpilot.training.weekly.weighed import Weighed

_NO_WEEKS: Final = "Days are drawn one by one, so that none comes a week after another. Report a log or decisions."
OF_RUN: Final = "as the campaign of the run does"


@dataclass(frozen=True)
class Ground:
    """What is played, by whom, and for which campaign."""

    name: str
    arena: Arena
    agent: Explainable
    agent_name: str
    campaign: Campaign  # that is planned; days may bring their own budget
    whose: str  # its preference, for people
    rows: Rows  # of the arena


STEPS = 3
"""Steps of work that `on` tells."""


def on(ground: Ground, evidence: Evidence, config: ReportConfig, step: Step) -> Evidence:
    """Play the days, plan the campaign, explain a decision.

    Args:
        ground: what is played.
        evidence: with what is known beside it.
        config: slot of the decision, points of the front.
        step: told of each part of the work.

    Raises:
        InvalidConfig: there is no such slot.
        NothingBought: nothing was won.
    """
    slots = ground.arena.market.slots
    slot = slots // 2 if config.slot is None else config.slot
    if slot >= slots:
        raise InvalidConfig(f"days have {slots} slots, counted from 0, and --slot is {slot}. Name one of them.")
    step(f"playing {len(ground.arena.days)} days of {ground.name} by {ground.agent_name}")
    found = played(ground.arena, ground.agent, ground.name, ground.rows)
    step("planning the campaign, and its front")
    plan = planned(ground.arena.forecast, ground.campaign, config.points)
    step("explaining a decision")
    told = sentences(found.purchases.notes)
    lacks = dict(evidence.lacks)
    if NOTE_FUNNEL in found.purchases.notes:
        lacks["funnel"] = sentence(NOTE_FUNNEL)
    if not isinstance(ground.arena.market, RecordedMarket):
        lacks["weeks"] = _NO_WEEKS
    whole = replace(
        evidence,
        facts=(*evidence.facts, ("payment", f"{ground.campaign.auction} price")),
        notes=(*evidence.notes, *told),
        lacks=lacks,
        purchases=found.purchases,
        events=found.events,
        offered=found.offered,
        course=found.course,
        ratio=found.ratio,
        decision=_decision(ground, slot),
        weighed=Weighed(ground.campaign.preference, ground.whose),
    )
    return plan.beside(whole, found.reached, found.kept)


def _decision(ground: Ground, slot: int) -> Decision:
    first = int(ground.rows.days[1].argmin())  # row of the first day
    found = _explained(ground.arena, ground.agent, slot, first)
    factors = np.exp(found.log_alpha(found.by_group()).sum(axis=0))  # (3, G)
    facts = tuple(
        (f"alpha, {kpi}", f"{number(found.alpha[j])}, planned {number(found.reference[j])}")
        for j, kpi in enumerate(KPI)
        if found.reference[j] > 0
    )
    return Decision(
        what=f"Bid coefficients of {ground.agent_name} in slot {slot} of the first day, and what moved them from what "
        "it does on a day as forecast: the shares of groups of features by integrated gradients, which multiply.",
        facts=facts,
        kpis=tuple(np.flatnonzero(found.reference > 0).tolist()),
        factors=tuple(Factor(name, _triple(factors[:, g])) for g, name in enumerate(found.groups)),
    )


def _explained(arena: Arena, agent: Explainable, slot: int, row: int) -> Explanation:
    episode = arena.episode
    observation = episode.begin(arena.days, arena.campaigns, traffic=arena.filter_of(arena, None), replan=agent.replan)
    day = AgentDay(agent, episode.rows, episode.segments, episode.replan)
    for _ in range(slot):
        observation = episode.play(day.act(observation))
    return explain_slot(episode, observation, agent, day.state, row)


def _triple(values: np.ndarray) -> tuple[float, float, float]:
    first, second, third = values.tolist()
    return first, second, third
