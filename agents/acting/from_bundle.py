"""The agent of a bundle at run time: a network, a controller, or one added to the other."""

from __future__ import annotations

import numpy as np

from bidpilot.agents.acting.agent import Agent, AgentDay, ControllerAgent
from bidpilot.agents.acting.controllers import CONTROLLERS
from bidpilot.agents.acting.policy import NetworkPolicy
from bidpilot.agents.acting.residual import Residual
from bidpilot.bidding.bundle import PARITY, Bundle, ControllerEntry
from bidpilot.bidding.errors import BundleMismatch, InvalidBundle, PolicyMismatch


def agent_of(bundle: Bundle) -> NetworkPolicy | ControllerAgent:
    """The bundle's agent, held against its golden outputs.

    Raises:
        InvalidBundle: its network's arrays do not fit together, or not the manifest.
        BundleMismatch: this version has no such controller or other gains, the agent reads what the manifest does not
            name, or it begins a day or answers otherwise than the one that was exported.
    """
    entry = bundle.manifest.agent
    base = None if entry.controller is None else _controller(entry.controller)
    agent: NetworkPolicy | ControllerAgent
    if entry.kind == "network":
        agent = _policy(bundle, base)
    elif base is None:
        raise BundleMismatch("the bundle's agent is a controller but names none. Export it again.")
    else:
        agent = base
    unnamed = set(agent.reads(len(bundle.manifest.segments))) - {feature.name for feature in bundle.manifest.features}
    if unnamed:
        raise BundleMismatch(
            f"{entry.name} reads {', '.join(sorted(unnamed))}, which the bundle does not name. Export it again with "
            "this version."
        )
    if initial_state(agent) != bundle.manifest.initial_state:
        raise BundleMismatch(
            f"{entry.name} begins a day with a memory of {sorted(initial_state(agent)) or 'nothing'}; the bundle was "
            f"written for {sorted(bundle.manifest.initial_state) or 'nothing'}. Export it again with this version."
        )
    difference = golden_difference(bundle, agent)
    if not difference <= PARITY:
        raise BundleMismatch(
            f"{entry.name} answers its golden inputs up to {difference:.2g} away from what was exported; at most "
            f"{PARITY:g} is allowed. Export it again with this version."
        )
    return agent


def initial_state(agent: Agent) -> dict[str, float | tuple[float, ...]]:
    """What one campaign's agent remembers at the start of a day, as plain numbers."""
    first = {name: array[0].tolist() for name, array in agent.start(1).items()}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in first.items()}


def golden_difference(bundle: Bundle, agent: Agent) -> float:
    """Largest difference to the golden outputs, slot after slot of one day."""
    day = AgentDay(agent, 1, len(bundle.manifest.segments))
    found = np.concatenate([day.act(row[None]) for row in bundle.observation(bundle.golden.observations)])
    return float(np.abs(found - bundle.golden.actions).max())


def _controller(entry: ControllerEntry) -> ControllerAgent:
    if entry.name not in CONTROLLERS:
        raise BundleMismatch(
            f"the bundle's controller {entry.name!r} is not one of {', '.join(CONTROLLERS)}. Export it again."
        )
    controller = CONTROLLERS[entry.name]
    if set(entry.parameters) != set(controller.gains):
        raise BundleMismatch(
            f"the bundle gives {entry.name} the gains {sorted(entry.parameters)}; it has "
            f"{sorted(controller.gains)}. Export it again."
        )
    return ControllerAgent(controller, entry.parameters)


def _policy(bundle: Bundle, base: ControllerAgent | None) -> NetworkPolicy:
    entry = bundle.manifest.agent
    residual = None if base is None else Residual(base, entry.reach)
    try:
        policy = NetworkPolicy.of(bundle.network, residual, entry.name)
        policy.check(len(bundle.manifest.segments))
    except PolicyMismatch as error:
        raise InvalidBundle(f"the bundle's network cannot be used ({error}). Export it again.") from error
    return policy
