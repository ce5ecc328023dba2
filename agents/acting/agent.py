"""The protocol of whatever decides, an agent's day, and a controller as an agent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bidpilot.agents.acting.controllers import CONTROLLERS, Controller
from bidpilot.agents.acting.state import State
from bidpilot.bidding.day.features import entries
from bidpilot.bidding.day.replanners import Replan
from bidpilot.bidding.errors import PolicyMismatch, UnknownAgent

Action = NDArray[np.floating[Any]]


class Agent(Protocol):
    """Decides once per slot, for B rows at a time; what it remembers is passed in and given back."""

    @property
    def name(self) -> str:
        """The name it is compared under."""

    @property
    def replan(self) -> Replan:
        """Which re-plan its observations must hold."""

    def check(self, segments: int) -> None:
        """Refuse a market of S segments that it was not made for.

        Raises:
            PolicyMismatch: it acts on another number of segments.
        """

    def start(self, rows: int) -> State:
        """What it remembers before the first slot of a day of `rows` campaigns."""

    def act(self, observation: NDArray[np.float32], state: State) -> tuple[Action, State]:
        """Actions (B, 3 + S) in [-1, 1] for observations (B, F) and what it remembers; what it remembers then."""


class AgentDay:
    """An agent through one day of `rows` campaigns over `segments` segments: asked slot after slot, it remembers.

    `replan` is the re-plan that the observations to come hold; None: nobody says.

    Raises:
        PolicyMismatch: the agent was made for another number of segments, or follows another re-plan.
    """

    def __init__(self, agent: Agent, rows: int, segments: int, replan: Replan | None = None) -> None:
        agent.check(segments)
        if replan is not None and replan is not agent.replan:
            raise PolicyMismatch(
                f"{agent.name} follows the re-plan {agent.replan!s}, and the day's observations hold {replan!s}. "
                f"Begin the day with replan={agent.replan!s}."
            )
        self.agent, self.state = agent, agent.start(rows)

    def act(self, observation: NDArray[np.float32]) -> Action:
        """The coming slot's actions (B, 3 + S) for its observations (B, F)."""
        action, self.state = self.agent.act(observation, self.state)
        return action


class ControllerAgent:
    """A controller with its gains, those of `gains` before the controller's defaults, under its own name or `name`.

    Raises:
        UnknownAgent: the controller has no such gain.
    """

    def __init__(
        self, controller: Controller, gains: Mapping[str, float] | None = None, name: str | None = None
    ) -> None:
        self.controller, self.name, self.replan = controller, name or controller.name, controller.replan
        self.gains = {**controller.defaults, **(gains or {})}
        unknown = sorted(set(self.gains) - set(controller.gains))
        if unknown:
            raise UnknownAgent(
                f"{controller.name} has no gain {unknown[0]!r}. Its gains: {', '.join(controller.gains) or 'none'}."
            )

    def check(self, segments: int) -> None:
        """A controller acts on any number of segments."""

    def reads(self, segments: int) -> tuple[str, ...]:
        """Names of the entries of an observation over S segments that it looks at."""
        return entries(self.controller.reads, segments)

    def start(self, rows: int) -> State:
        """Nothing remembered yet: zeros (B,)."""
        return self.controller.start(rows)

    def act(self, observation: NDArray[np.float32], state: State) -> tuple[Action, State]:
        """The controller's action."""
        return self.controller.step(self.gains, state, observation)


def controller_agent(name: str, gains: Mapping[str, float] | None = None, row: str | None = None) -> ControllerAgent:
    """The controller of that name; `row` is what it is compared under, its own name where None.

    Raises:
        UnknownAgent: no such controller, or no such gain.
    """
    if name not in CONTROLLERS:
        raise UnknownAgent(f"no controller is called {name!r}. Use one of: {', '.join(CONTROLLERS)}.")
    return ControllerAgent(CONTROLLERS[name], gains, row)
