"""Which gains an evaluation played with, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bidpilot.agents.acting.controllers import CONTROLLERS
from bidpilot.training.evaluation.names import NEUTRAL, TUNED

Gains = Mapping[str, Mapping[str, float]]


def gains_told(played: Mapping[str, Gains], agents: Sequence[str]) -> list[str]:
    """A line for each set of gains that are not the defaults, with the suites (the keys of `played`) that have it."""
    suites: dict[str, list[str]] = {}
    for suite, gains in played.items():
        own = {agent: gains[agent] for agent in agents if agent in gains and not _usual(agent, gains[agent])}
        told = "; ".join(f"{agent} {_listed(values)}" for agent, values in own.items())
        suites.setdefault(told, []).append(suite)
    return [f"gains on {', '.join(names)}: {told or 'the defaults of all'}" for told, names in suites.items()]


def _listed(gains: Mapping[str, float]) -> str:
    return " ".join(f"{name} {value:g}" for name, value in gains.items())


def _usual(agent: str, values: Mapping[str, float]) -> bool:
    """Whether gains are a controller's defaults."""
    name = TUNED.get(agent) or NEUTRAL.get(agent) or agent
    usual = {} if name not in CONTROLLERS else {key: gain.default for key, gain in CONTROLLERS[name].gains.items()}
    return values == (usual or {"gain": 1.0})
