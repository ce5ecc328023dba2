"""The trained policy without its training library: an actor network in NumPy, stored without pickle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.day.action import FIRST_SEGMENT
from bidpilot.bidding.day.features import feature, feature_names, segment_features
from bidpilot.bidding.errors import PolicyMismatch

RESIDUAL_REACH: Final = 0.3  # share of the network's action that is added to the controller's

Matrix = NDArray[np.float32]


def compose(observation: NDArray[np.float32], raw: Matrix, residual: bool) -> Matrix:
    """The action (B, 3 + S) in [-1, 1] that the network's output `raw` (B, 3 + S) stands for.

    Plain: the output itself. Residual: `clip(controller + 0.3 raw, -1, 1)` with raw clipped first, where the
    controller follows the re-plan, whose scale and segment entries the observation (B, F) holds.
    """
    action = np.clip(raw, -1.0, 1.0)
    if residual:
        action *= np.float32(RESIDUAL_REACH)
        action[:, 0] += np.clip(feature(observation, "replan"), -1.0, 1.0)
        action[:, FIRST_SEGMENT:] += segment_features(observation)
        np.clip(action, -1.0, 1.0, out=action)
    return action


@dataclass(frozen=True)
class MlpPolicy:
    """An agent: hidden layers with tanh, a linear output, the mean action clipped to [-1, 1].

    Raises:
        PolicyMismatch: layers that do not fit together, or a network made for other features or segments.
    """

    weights: tuple[Matrix, ...]  # per layer (inputs, outputs); the first has F inputs, the last 3 + S outputs
    biases: tuple[Matrix, ...]  # per layer (outputs,)
    residual: bool = False
    features: tuple[str, ...] = ()  # names of the F inputs; those of this version where empty
    name: str = "ppo"

    def __post_init__(self) -> None:
        expected = feature_names(self.segments)
        object.__setattr__(self, "features", self.features or expected)
        sizes = [len(self.features), *(w.shape[-1] for w in self.weights)]
        for layer, (w, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            if w.shape != (sizes[layer], sizes[layer + 1]) or b.shape != (sizes[layer + 1],):
                raise PolicyMismatch(
                    f"layer {layer} has weights {w.shape} and biases {b.shape} after {sizes[layer]} inputs. "
                    "The file is damaged, train again."
                )
            if not (np.isfinite(w).all() and np.isfinite(b).all()):
                raise PolicyMismatch(f"layer {layer} holds weights that are not finite. Train again.")
        if self.features != expected:
            other = sorted(set(self.features) ^ set(expected))
            raise PolicyMismatch(
                f"the policy was trained on other features than this version observes ({other[:4] or 'order'} "
                "differ). Use the version that trained it, or train again."
            )

    @property
    def segments(self) -> int:
        """Segments S that its actions are for."""
        return int(self.biases[-1].shape[0]) - FIRST_SEGMENT

    def start(self, rows: int, segments: int) -> None:
        """Begin a day in `rows` rows; nothing is remembered between slots.

        Raises:
            PolicyMismatch: a market with another number of segments.
        """
        if segments != self.segments:
            raise PolicyMismatch(
                f"the policy acts on {self.segments} segments, the market has {segments}. Evaluate it on a "
                "market with the segments it was trained on."
            )

    def act(self, observation: NDArray[np.float32]) -> Matrix:
        """Actions (B, 3 + S) in [-1, 1] for observations (B, F)."""
        hidden = observation
        for w, b in zip(self.weights[:-1], self.biases[:-1], strict=True):
            hidden = np.tanh(hidden @ w + b)
        return compose(observation, hidden @ self.weights[-1] + self.biases[-1], self.residual)

    def save(self, path: Path) -> None:
        """Write to one .npz file, without pickle."""
        layers = {f"weight_{i}": w for i, w in enumerate(self.weights)}
        layers |= {f"bias_{i}": b for i, b in enumerate(self.biases)}
        np.savez(path, features=np.array(self.features), residual=np.array(self.residual), **layers)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: Path, name: str = "ppo") -> MlpPolicy:
        """Read what `save` wrote.

        Raises:
            PolicyMismatch: not such a file, or trained on other features.
        """
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
                layers = range(sum(key.startswith("weight_") for key in data.files))
                return cls(
                    weights=tuple(data[f"weight_{i}"] for i in layers),
                    biases=tuple(data[f"bias_{i}"] for i in layers),
                    residual=bool(data["residual"]),
                    features=tuple(str(f) for f in data["features"]),
                    name=name,
                )
        except (OSError, KeyError, ValueError, EOFError, BadZipFile) as error:
            raise PolicyMismatch(f"{path} is not a saved policy ({error}). Train again.") from error
