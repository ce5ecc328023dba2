"""What is explained: a policy's network with its exact gradient, and a controller with what it remembers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bidpilot.agents.acting.controllers import Controller
from bidpilot.agents.acting.policy import RESIDUAL_REACH, MlpPolicy, compose
from bidpilot.bidding.day.action import FIRST_SEGMENT
from bidpilot.bidding.day.features import FEATURES, POSITION, feature_names

Array = NDArray[np.float64]

_STEP: Final = 1e-6  # half the distance of a central difference, in units of a feature


class PolicySubject:
    """An agent whose network can be differentiated; of a residual policy, the network and its base apart."""

    def __init__(self, policy: MlpPolicy) -> None:
        self.policy, self.name, self.inputs = policy, policy.name, policy.features
        self.parts = ("network", "re-plan") if policy.residual else ("network",)
        self._weights = [w.astype(np.float64) for w in policy.weights]
        self._biases = [b.astype(np.float64) for b in policy.biases]

    def start(self, rows: int, segments: int) -> None:
        """Begin a day."""
        self.policy.start(rows, segments)

    def act(self, observation: NDArray[np.float32]) -> NDArray[np.floating]:
        """The policy's actions (B, 3 + S)."""
        return self.policy.act(observation)

    def memory(self, row: int) -> Array:
        """A policy remembers nothing (0,)."""
        return np.zeros(0)

    def value(self, inputs: Array) -> Array:
        """The policy's actions (N, 3 + S) for observations (N, F), in double precision."""
        raw, _ = self._forward(inputs)
        composed: Any = compose(inputs, raw, self.policy.residual)  # type: ignore[arg-type]
        return np.asarray(composed, np.float64)

    def gradient(self, inputs: Array, moved: NDArray[np.int64]) -> Array:
        """Derivatives (P, N, 3 + S, M) of the actions; 0 where an action is clipped."""
        raw, hidden = self._forward(inputs)
        back = np.broadcast_to(self._weights[-1].T, (len(inputs), *self._weights[-1].T.shape))
        for weight, state in zip(reversed(self._weights[:-1]), reversed(hidden), strict=True):
            # d tanh(z) / dz = 1 - tanh(z) ** 2
            back = (back * (1.0 - state**2)[:, None, :]) @ weight.T
        network = (back * (np.abs(raw) < 1.0)[..., None])[..., moved]
        if not self.policy.residual:
            return network[None]
        reach = float(np.float32(RESIDUAL_REACH))
        base = np.zeros_like(network)
        total = reach * np.clip(raw, -1.0, 1.0)
        for column, place in enumerate(moved):
            if place == POSITION["replan"]:
                base[:, 0, column] = np.abs(inputs[:, place]) < 1.0
            elif place >= len(FEATURES):
                base[:, FIRST_SEGMENT + place - len(FEATURES), column] = 1.0
        total[:, 0] += np.clip(inputs[:, POSITION["replan"]], -1.0, 1.0)
        total[:, FIRST_SEGMENT:] += inputs[:, len(FEATURES) :]
        return np.stack([reach * network, base]) * (np.abs(total) < 1.0)[..., None]

    def _forward(self, inputs: Array) -> tuple[Array, list[Array]]:
        """The last layer's output (N, 3 + S) and every hidden layer's (N, H)."""
        hidden, state = [], inputs
        for weight, bias in zip(self._weights[:-1], self._biases[:-1], strict=True):
            state = np.tanh(state @ weight + bias)
            hidden.append(state)
        return state @ self._weights[-1] + self._biases[-1], hidden


class ControllerSubject:
    """A controller; what it remembers of the slots before counts as further inputs, 0 at the start of a day."""

    parts = ("controller",)

    def __init__(self, controller: Controller, gains: Mapping[str, float] | None, segments: int) -> None:
        self.controller, self.name = controller, controller.name
        self.gains = {**controller.defaults, **(gains or {})}
        self.inputs = (*feature_names(segments), *(f"memory_{name}" for name in controller.state))

    def start(self, rows: int, segments: int) -> None:
        """Forget the day before."""
        self._state = self._before = self.controller.start(rows)

    def act(self, observation: NDArray[np.float32]) -> NDArray[np.floating]:
        """The controller's actions (B, 3 + S)."""
        self._before = self._state
        action, self._state = self.controller.step(self.gains, self._before, observation)
        return action

    def memory(self, row: int) -> Array:
        """What row `row` remembered when it last acted, one number per name in `controller.state`."""
        return np.array([self._before[name][row] for name in self.controller.state])

    def value(self, inputs: Array) -> Array:
        """Actions (N, 3 + S) for observations and memories side by side (N, I)."""
        features = len(self.inputs) - len(self.controller.state)
        state = {name: inputs[:, features + k] for k, name in enumerate(self.controller.state)}
        # The step functions work in double precision whatever they are given.
        action, _ = self.controller.step(self.gains, state, inputs[:, :features])  # type: ignore[arg-type]
        return action

    def gradient(self, inputs: Array, moved: NDArray[np.int64]) -> Array:
        """Derivatives (1, N, 3 + S, M) by central differences."""
        shift = np.zeros((len(moved), 1, inputs.shape[1]))
        shift[np.arange(len(moved)), 0, moved] = _STEP
        above, below = (self.value((inputs + s).reshape(-1, inputs.shape[1])) for s in (shift, -shift))
        slope = ((above - below) / (2 * _STEP)).reshape(len(moved), len(inputs), -1)
        return np.moveaxis(slope, 0, -1)[None]


Subject = PolicySubject | ControllerSubject
