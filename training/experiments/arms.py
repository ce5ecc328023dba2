"""Arms by the names that are typed: a controller, `constant`, a trained policy, each perhaps with its bids scaled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bidpilot.agents.acting.agent import Action, Agent, AgentDay, controller_agent
from bidpilot.agents.acting.controllers import CONTROLLERS
from bidpilot.agents.baselines.constant import constant_bids, constant_rule
from bidpilot.agents.gains import row_gains
from bidpilot.bidding.day.replanners import Replan
from bidpilot.bidding.errors import UnknownAgent
from bidpilot.bidding.rule import Rule
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.training.evaluation.contestants import find_contestants
from bidpilot.training.evaluation.names import CONSTANT

Decide = Callable[[NDArray[np.float32]], tuple[Rule, Action]]
"""The rule of the coming slot for the observation (B, F) before it, and the action (B, 3 + S) that it comes from."""


@dataclass(frozen=True)
class Arm:
    """What bids in one arm."""

    name: str  # as it was typed
    agent: Agent | None  # None: `constant`
    factor: float = 1.0  # that its bids are multiplied by

    @property
    def replan(self) -> Replan:
        """Which re-plan its observations must hold."""
        return Replan.FORECAST if self.agent is None else self.agent.replan

    def starts(self, episode: Episode) -> Decide:
        """How it decides on the days that `episode` has begun."""
        if self.agent is None:
            bids = constant_bids(episode.planner.forecast, episode.today.campaigns.budget, self.factor)
            rule, none = constant_rule(bids, episode.segments), np.zeros((episode.rows, 3 + episode.segments))
            return lambda observation: (rule, none)
        day, factor = AgentDay(self.agent, episode.rows, episode.segments, episode.replan), self.factor

        def decide(observation: NDArray[np.float32]) -> tuple[Rule, Action]:
            action = day.act(observation)
            rule = episode.decoded(action)
            return replace(rule, alpha=rule.alpha * factor, beta=rule.beta * factor), action

        return decide


def play_slot(episode: Episode, decide: Decide, observation: NDArray[np.float32]) -> tuple[Rule, NDArray[np.float32]]:
    """Play one slot as an arm decides, behind the gate; the rule that was played, and the next observation (B, F)."""
    rule, action = decide(observation)
    rule = replace(rule, gate=episode.statistics.gate())
    episode.play_rule(rule)
    return rule, episode.observer.observe(episode.statistics, action)


def named_arm(name: str, market: str, experiment: str) -> Arm:
    """The arm `AGENT` or `AGENT*FACTOR`; controllers have the gains that are theirs on `market`.

    Raises:
        UnknownAgent: no such agent, or a factor that is no positive number.
        RunNotFound, AmbiguousRun: no such training run, or several.
    """
    base, star, typed = name.partition("*")
    factor = _factor(name, typed) if star else 1.0
    if base == CONSTANT:
        return Arm(name, None, factor)
    if "@" in base:
        policies = [c.policies for c in find_contestants((base,), experiment) if c.policies]
        if len(policies) != 1 or len(policies[0]) != 1:
            raise UnknownAgent(f"an arm is one policy, and {base} names several. Name one run.")
        return Arm(name, next(iter(policies[0].values())), factor)
    if base not in CONTROLLERS:
        raise UnknownAgent(
            f"no arm is called {name!r}. Use {', '.join((*CONTROLLERS, CONSTANT))}, LEARNER@RUN or choice@RUN, each "
            "perhaps with *FACTOR, which scales its bids."
        )
    return Arm(name, controller_agent(base, row_gains(market).get(base)), factor)


def _factor(name: str, typed: str) -> float:
    try:
        factor = float(typed)
    except ValueError:
        factor = 0.0
    if not 0.0 < factor < float("inf"):
        raise UnknownAgent(f"{name!r} scales bids by {typed!r}. Give a positive number, as in mpc*1.05.")
    return factor
