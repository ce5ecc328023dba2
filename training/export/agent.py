"""A bundle as an agent, so that it plays the suites like any other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bidpilot.agents.acting.agent import Action
from bidpilot.agents.acting.from_bundle import agent_of
from bidpilot.agents.acting.state import State
from bidpilot.bidding.bundle import Bundle, load_bundle
from bidpilot.bidding.day.replanners import Replan
from bidpilot.bidding.errors import PolicyMismatch


class BundleAgent:
    """What a bidder would do with this bundle."""

    def __init__(self, bundle: Bundle, name: str | None = None) -> None:
        self.bundle, self.name = bundle, name or bundle.manifest.name
        self._agent = agent_of(bundle)

    @classmethod
    def load(cls, folder: Path, name: str | None = None) -> BundleAgent:
        """Read and check the bundle in `folder`."""
        return cls(load_bundle(folder), name)

    @property
    def replan(self) -> Replan:
        """Which re-plan its observations must hold."""
        return self._agent.replan

    def check(self, segments: int) -> None:
        """Refuse a market of another number of segments, under a controller too: its forecast is of these.

        Raises:
            PolicyMismatch: it is.
        """
        if segments != len(self.bundle.manifest.segments):
            raise PolicyMismatch(
                f"the bundle acts on {len(self.bundle.manifest.segments)} segments, the market has {segments}. "
                "Play it on a market with the segments it was trained on."
            )

    def start(self, rows: int) -> State:
        """What its agent remembers at the start of a day."""
        return self._agent.start(rows)

    def act(self, observation: NDArray[np.float32], state: State) -> tuple[Action, State]:
        """Its agent's actions (B, 3 + S) for observations (B, F)."""
        return self._agent.act(observation, state)
