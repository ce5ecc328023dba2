"""The trained policy without its training library: a network in NumPy, stored without pickle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from bidpilot.agents.acting.agent import Action
from bidpilot.agents.acting.network import Network, network_of
from bidpilot.agents.acting.residual import RESIDUAL, Residual, clipped
from bidpilot.agents.acting.state import State
from bidpilot.bidding.day.action import FIRST_SEGMENT
from bidpilot.bidding.day.features import feature_names
from bidpilot.bidding.errors import PolicyMismatch


@dataclass(frozen=True)
class NetworkPolicy:
    """An agent: what a network answers, clipped to [-1, 1], and added to a controller's action where it is residual.

    Raises:
        PolicyMismatch: a network made for other features.
    """

    network: Network  # F inputs, 3 + S outputs
    residual: Residual | None = None
    features: tuple[str, ...] = ()  # names of the F inputs; those of this version where empty
    name: str = "policy"

    def __post_init__(self) -> None:
        expected = feature_names(self.segments)
        object.__setattr__(self, "features", self.features or expected)
        if self.features != expected:
            other = sorted(set(self.features) ^ set(expected))
            raise PolicyMismatch(
                f"the policy was trained on other features than this version observes ({other[:4] or 'order'} "
                "differ). Use the version that trained it, or train again."
            )
        if self.network.inputs != len(self.features):
            raise PolicyMismatch(
                f"the network has {self.network.inputs} inputs for {len(self.features)} features. "
                "The file is damaged, train again."
            )

    @property
    def segments(self) -> int:
        """Segments S that its actions are for."""
        return self.network.outputs - FIRST_SEGMENT

    def check(self, segments: int) -> None:
        """Refuse a market of another number of segments.

        Raises:
            PolicyMismatch: it acts on another number.
        """
        if segments != self.segments:
            raise PolicyMismatch(
                f"the policy acts on {self.segments} segments, the market has {segments}. Play it on a "
                "market with the segments it was trained on."
            )

    def start(self, rows: int) -> State:
        """What network and base remember at the start of a day."""
        return self.network.start(rows) | ({} if self.residual is None else self.residual.start(rows))

    def act(self, observation: NDArray[np.float32], state: State) -> tuple[Action, State]:
        """Actions (B, 3 + S) in [-1, 1] for observations (B, F), and what is remembered then."""
        raw, after = self.network.forward(observation, state)
        if self.residual is None:
            return clipped(raw), after
        action, base = self.residual.act(observation, raw, state)
        return action, after | base

    def save(self, path: Path) -> None:
        """Write to one .npz file, without pickle.

        Raises:
            PolicyMismatch: it is added to another controller than policies are trained on, which the file cannot say.
        """
        if self.residual not in (None, RESIDUAL):
            raise PolicyMismatch(f"a policy file holds no base but {RESIDUAL.base.name}. Keep the bundle instead.")
        own = {"features": np.array(self.features), "residual": np.array(self.residual is not None)}
        np.savez(path, **own, **self.network.arrays())  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: Path, name: str = "policy") -> NetworkPolicy:
        """Read what `save` wrote.

        Raises:
            PolicyMismatch: not such a file, or trained on other features.
        """
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
                arrays = {key: data[key] for key in data.files}
            residual, features = RESIDUAL if bool(arrays["residual"]) else None, arrays["features"]
        except (OSError, KeyError, ValueError, EOFError, BadZipFile) as error:
            raise PolicyMismatch(f"{path} is not a saved policy ({error}). Train again.") from error
        return cls(network_of(arrays), residual, tuple(str(f) for f in features), name)
