"""A bundle as an agent, so that it plays the suites like any other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bidpilot.agents.acting.actor import load_actor
from bidpilot.bidding.bundle import Bundle, load_bundle
from bidpilot.bidding.errors import PolicyMismatch


class BundleAgent:
    """What a bidder would do with this bundle."""

    def __init__(self, bundle: Bundle, name: str | None = None) -> None:
        self.bundle, self.name = bundle, name or bundle.manifest.name
        self._actor = load_actor(bundle)

    @classmethod
    def load(cls, folder: Path, name: str | None = None) -> BundleAgent:
        """Read and check the bundle in `folder`."""
        return cls(load_bundle(folder), name)

    def start(self, rows: int, segments: int) -> None:
        """Begin a day.

        Raises:
            PolicyMismatch: a market with another number of segments.
        """
        if segments != len(self.bundle.manifest.segments):
            raise PolicyMismatch(
                f"the bundle acts on {len(self.bundle.manifest.segments)} segments, the market has {segments}. "
                "Play it on a market with the segments it was trained on."
            )
        self._actor.start(rows)

    def act(self, observation: NDArray[np.float32]) -> NDArray[np.float64]:
        """Actions (B, 3 + S) for observations (B, F)."""
        return self._actor.act(observation)
