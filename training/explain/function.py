"""A decision as a function that can be differentiated: an agent's action by the observation, at what it remembers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from bidpilot.agents.acting.agent import ControllerAgent
from bidpilot.agents.acting.policy import NetworkPolicy
from bidpilot.agents.acting.state import State
from bidpilot.bidding.day.features import feature_names
from bidpilot.training.explain.gradients import Differentiable

Array = NDArray[np.float64]
Explainable = NetworkPolicy | ControllerAgent
"""The agents whose decisions can be explained."""

_STEP: Final = 1e-6  # half the distance of a central difference, in units of a feature


class Decision(Differentiable, Protocol):
    """A function of the observation's features, and of what is remembered where that counts as an input."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names (I,) of the inputs: features, then each `memory_...`."""

    @property
    def memory(self) -> Array:
        """Values, as they are, of the inputs that follow the features; 0 each at the start of a day."""


def decision_of(agent: Explainable, state: State, segments: int) -> Decision:
    """What `agent` decides over S segments in one row whose `state` has one row (1, ...)."""
    if isinstance(agent, NetworkPolicy):
        return PolicyDecision(agent, state)
    return ControllerDecision(agent, state, segments)


@dataclass(frozen=True)
class PolicyDecision:
    """A policy with its network's exact gradient; of a residual policy, the network and its base apart.

    What it remembers of earlier slots is held fixed: it is no input, and what it does to the action is in the action
    at the baseline too.
    """

    policy: NetworkPolicy
    state: State  # each (1, ...)

    @property
    def inputs(self) -> tuple[str, ...]:
        """All features of an observation; those that the policy does not read have no share."""
        return feature_names(self.policy.segments)

    @property
    def parts(self) -> tuple[str, ...]:
        """The network, and the re-plan that it is added to."""
        return ("network",) if self.policy.residual is None else ("network", "re-plan")

    @property
    def memory(self) -> Array:
        """None of it is an input (0,)."""
        return np.zeros(0)

    def value(self, inputs: Array) -> Array:
        """The policy's actions (N, 3 + S) for observations (N, F), in double precision."""
        action, _ = self.policy.act(inputs, _repeated(self.state, len(inputs)))  # type: ignore[arg-type]
        return np.asarray(action, np.float64)

    def gradient(self, inputs: Array, moved: NDArray[np.int64]) -> Array:
        """Derivatives (P, N, 3 + S, M) of the actions; 0 where an action is clipped."""
        network, residual, state = self.policy.network, self.policy.residual, _repeated(self.state, len(inputs))
        seen = self.policy.seen(inputs)
        raw, _ = network.forward(seen, state)
        within = (np.abs(raw) < 1.0)[..., None]
        slope = np.zeros((*raw.shape, inputs.shape[1]))
        slope[..., self.policy.columns] = network.backward(seen, state, within * np.eye(network.outputs))
        slope = slope[..., moved]
        if residual is None:
            return slope[None]

        def base(at: Array) -> NDArray[np.floating[Any]]:
            return residual.base.act(at, _repeated(self.state, len(at)))[0]  # type: ignore[arg-type]

        action, _ = residual.act(inputs, raw, state)  # type: ignore[arg-type]
        parts = np.stack([residual.reach * slope, _central_differences(base, inputs, moved)])
        return parts * (np.abs(action) < 1.0)[..., None]


@dataclass(frozen=True)
class ControllerDecision:
    """A controller; what it remembers of the slots before counts as further inputs, 0 at the start of a day."""

    agent: ControllerAgent
    state: State  # each (1,)
    segments: int

    parts = ("controller",)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The features, then what is remembered."""
        return (*feature_names(self.segments), *(f"memory_{name}" for name in self.state))

    @property
    def memory(self) -> Array:
        """What is remembered, one number per name."""
        return np.array([float(array[0]) for array in self.state.values()])

    def value(self, inputs: Array) -> Array:
        """Actions (N, 3 + S) for observations and memories side by side (N, I)."""
        features = inputs.shape[1] - len(self.state)
        state: State = {name: inputs[:, features + k] for k, name in enumerate(self.state)}
        # The step functions work in double precision whatever they are given.
        action, _ = self.agent.act(inputs[:, :features], state)  # type: ignore[arg-type]
        return np.asarray(action, np.float64)

    def gradient(self, inputs: Array, moved: NDArray[np.int64]) -> Array:
        """Derivatives (1, N, 3 + S, M) by central differences."""
        return _central_differences(self.value, inputs, moved)[None]


def _repeated(state: State, rows: int) -> State:
    return {name: np.repeat(array, rows, axis=0) for name, array in state.items()}


def _central_differences(
    value: Callable[[Array], NDArray[np.floating[Any]]], inputs: Array, moved: NDArray[np.int64]
) -> Array:
    """Derivatives (N, A, M) of `value` at inputs (N, I) by the inputs numbered `moved` (M,)."""
    shift = np.zeros((len(moved), 1, inputs.shape[1]))
    shift[np.arange(len(moved)), 0, moved] = _STEP
    above, below = (value((inputs + s).reshape(-1, inputs.shape[1])) for s in (shift, -shift))
    slope: Array = np.asarray((above - below) / (2 * _STEP), np.float64).reshape(len(moved), len(inputs), -1)
    return np.moveaxis(slope, 0, -1)
