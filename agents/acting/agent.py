"""What every agent offers, and the controllers in that form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bidpilot.agents.acting.controllers import CONTROLLERS, Controller
from bidpilot.bidding.errors import UnknownAgent


class Agent(Protocol):
    """Batched: one observation row in, one action row out, for every campaign."""

    @property
    def name(self) -> str:
        """The name it is compared under."""

    def start(self, rows: int, segments: int) -> None:
        """Begin a day of `rows` campaigns over `segments` segments."""

    def act(self, observation: NDArray[np.float32]) -> NDArray[np.floating]:
        """Actions (B, 3 + S) in [-1, 1] for observations (B, F)."""


class ControllerAgent:
    """A controller with its gains."""

    def __init__(self, controller: Controller, gains: Mapping[str, float] | None = None) -> None:
        self.controller, self.name = controller, controller.name
        self.gains = {**controller.defaults, **(gains or {})}
        unknown = sorted(set(self.gains) - set(controller.gains))
        if unknown:
            raise UnknownAgent(
                f"{controller.name} has no gain {unknown[0]!r}. Its gains: {', '.join(controller.gains) or 'none'}."
            )

    def start(self, rows: int, segments: int) -> None:
        """Forget the day before."""
        self._state = self.controller.start(rows)

    def act(self, observation: NDArray[np.float32]) -> NDArray[np.floating]:
        """The controller's action."""
        action, self._state = self.controller.step(self.gains, self._state, observation)
        return action


def controller_agent(name: str, gains: Mapping[str, float] | None = None) -> ControllerAgent:
    """The controller of that name.

    Raises:
        UnknownAgent: no such controller, or no such gain.
    """
    if name not in CONTROLLERS:
        raise UnknownAgent(f"no controller is called {name!r}. Use one of: {', '.join(CONTROLLERS)}.")
    return ControllerAgent(CONTROLLERS[name], gains)
