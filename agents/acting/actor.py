"""The agent of a bundle at run time, in plain NumPy: a network, a controller, or one added to the other."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bidpilot.agents.acting.controllers import CONTROLLERS, State
from bidpilot.bidding.bundle import PARITY, Bundle, ControllerEntry
from bidpilot.bidding.errors import BundleMismatch

Action = NDArray[np.float64]


class Actor(Protocol):
    """Decides once per slot; batched over rows."""

    def start(self, rows: int) -> None:
        """Begin a day of `rows` campaigns."""

    def act(self, observation: NDArray[np.float32]) -> Action:
        """Actions (B, 3 + S) in [-1, 1] for observations (B, F)."""


class ControllerActor:
    """A controller with the parameters that it was exported with.

    Raises:
        BundleMismatch: this version has no such controller, or not those gains.
    """

    def __init__(self, entry: ControllerEntry) -> None:
        if entry.name not in CONTROLLERS:
            raise BundleMismatch(
                f"the bundle's controller {entry.name!r} is not one of {', '.join(CONTROLLERS)}. Export it again."
            )
        self._controller = CONTROLLERS[entry.name]
        if set(entry.parameters) != set(self._controller.gains):
            raise BundleMismatch(
                f"the bundle gives {entry.name} the gains {sorted(entry.parameters)}; it has "
                f"{sorted(self._controller.gains)}. Export it again."
            )
        self._parameters = entry.parameters
        self._state: State = {}

    def start(self, rows: int) -> None:
        """Forget the day before."""
        self._state = self._controller.start(rows)

    def act(self, observation: NDArray[np.float32]) -> Action:
        """The controller's action."""
        action, self._state = self._controller.step(self._parameters, self._state, observation)
        return np.clip(action, -1.0, 1.0)


class NetworkActor:
    """Hidden layers with tanh and a linear output, clipped; added to a base controller where there is one."""

    def __init__(
        self,
        layers: tuple[tuple[NDArray[np.float32], NDArray[np.float32]], ...],
        base: ControllerActor | None,
        reach: float,
    ) -> None:
        self._layers, self._base, self._reach = layers, base, reach

    def start(self, rows: int) -> None:
        """Forget the day before."""
        if self._base is not None:
            self._base.start(rows)

    def network(self, observation: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the network itself answers (B, 3 + S), unclipped; `policy.onnx` computes the same."""
        hidden = observation
        for weight, bias in self._layers[:-1]:
            hidden = np.tanh(hidden @ weight + bias)
        weight, bias = self._layers[-1]
        return hidden @ weight + bias

    def act(self, observation: NDArray[np.float32]) -> Action:
        """The composed action."""
        action = np.clip(self.network(observation), -1.0, 1.0).astype(np.float64)
        if self._base is None:
            return action
        return np.clip(self._base.act(observation) + self._reach * action, -1.0, 1.0)


def load_actor(bundle: Bundle) -> Actor:
    """The bundle's agent, held against its golden outputs.

    Raises:
        BundleMismatch: it answers otherwise than the agent that was exported.
    """
    agent = bundle.manifest.agent
    base = None if agent.controller is None else ControllerActor(agent.controller)
    actor: Actor
    if agent.kind == "controller":
        if base is None:
            raise BundleMismatch("the bundle's agent is a controller but names none. Export it again.")
        actor = base
    else:
        actor = NetworkActor(bundle.layers, base, agent.reach)
    difference = golden_difference(bundle, actor)
    if not difference <= PARITY:
        raise BundleMismatch(
            f"{agent.name} answers its golden inputs up to {difference:.2g} away from what was exported; at most "
            f"{PARITY:g} is allowed. Export it again with this version."
        )
    return actor


def golden_difference(bundle: Bundle, actor: Actor) -> float:
    """Largest difference to the golden outputs, slot after slot of one day."""
    golden = bundle.golden
    actor.start(1)
    found = np.concatenate([actor.act(row[None]) for row in golden.observations])
    actor.start(1)
    return float(np.abs(found - golden.actions).max())
