"""Agents by the names that are typed: controllers, the controller told the future, and training runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bidpilot.agents.acting.agent import controller_agent
from bidpilot.agents.acting.controllers import MPC
from bidpilot.agents.acting.policy import MlpPolicy
from bidpilot.bidding.errors import PolicyMismatch, UnknownAgent
from bidpilot.training.evaluation.names import ALL_AGENTS, CONSTANT, INFORMED, LEARNED, REFERENCES
from bidpilot.training.evaluation.play import Arena, Outcome
from bidpilot.training.evaluation.suites import Suite
from bidpilot.training.tracking import download, find_run, latest_finished_run


@dataclass(frozen=True)
class Player:
    """One agent as it was asked for; a learned one holds the policy of each of its training runs."""

    name: str
    policies: Mapping[str, MlpPolicy] = field(default_factory=dict)  # by the name of its own row
    runs: tuple[str, ...] = ()  # ids, one for each policy

    @property
    def seeds(self) -> int:
        """Trainings that its row stands for."""
        return max(1, len(self.policies))

    def play(self, suite: Suite) -> dict[str, Outcome]:
        """Its days on a suite by row: one per training run, then the mean of several under the agent's name."""
        found = {name: _play_policy(policy, name, suite) for name, policy in self.policies.items()}
        if not found:
            return {self.name: play_fixed(self.name, suite.arena, suite.gains)}
        return found if len(found) == 1 else found | {self.name: Outcome.pooled(list(found.values()))}


def play_fixed(name: str, arena: Arena, gains: Mapping[str, Mapping[str, float]]) -> Outcome:
    """The days of an agent that is not learned, with its tuned gains."""
    if name == CONSTANT:
        return arena.play_constant(**gains.get(CONSTANT, {}))
    if name == INFORMED:
        return arena.play(controller_agent(MPC.name, gains.get(MPC.name)), informed=True)
    return arena.play(controller_agent(name, gains.get(name)))


def _play_policy(policy: MlpPolicy, name: str, suite: Suite) -> Outcome:
    try:
        return suite.arena.play(policy)
    except PolicyMismatch as error:
        raise PolicyMismatch(f"{name} cannot play {suite.name}: {error}") from error


def find_players(named: tuple[str, ...], experiment: str) -> list[Player]:
    """The agents of these names, with both reference controllers before them where they are not named.

    `ppo` is the last training run that finished, `ppo@RUN` that run, `ppo@RUN,RUN,...` one agent over seeds.

    Raises:
        UnknownAgent: no such agent.
        RunNotFound, PolicyMismatch: no such run, or no policy of this version in it.
    """
    for name in named:
        base, at, _ = name.partition("@")
        if base not in ALL_AGENTS or (at and base != LEARNED):
            raise UnknownAgent(
                f"no agent is called {name!r}. Use one of: {', '.join(ALL_AGENTS)}, {LEARNED}@RUN, or "
                f"{LEARNED}@RUN,RUN for several seeds."
            )
    missing = [name for name in REFERENCES if name not in named]
    return [_player(name, experiment) for name in dict.fromkeys((*missing, *named))]


def _player(name: str, experiment: str) -> Player:
    base, at, typed = name.partition("@")
    if base != LEARNED:
        return Player(name)
    if at:
        runs = tuple(find_run(run).run_id for run in dict.fromkeys(typed.split(",")))
        rows = [f"{base}@{run}" for run in runs] if len(runs) > 1 else [name]
    else:
        runs, rows = (latest_finished_run("train", experiment=experiment).run_id,), [name]
    policies = {
        row: MlpPolicy.load(download(run, "policy") / "policy.npz", row) for row, run in zip(rows, runs, strict=True)
    }
    return Player(name, policies, runs)
