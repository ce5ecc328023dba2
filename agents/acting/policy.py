"""The trained policy without its training library: a network in NumPy, stored without pickle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from bidpilot.agents.acting.agent import Action
from bidpilot.agents.acting.network import Network, network_of
from bidpilot.agents.acting.residual import RESIDUAL, RESIDUALS, Residual, clipped
from bidpilot.agents.acting.state import State
from bidpilot.bidding.day.action import FIRST_SEGMENT
from bidpilot.bidding.day.features import columns, declared, feature_names, strange
from bidpilot.bidding.day.replanners import Replan
from bidpilot.bidding.errors import PolicyMismatch

_NONE = np.zeros(0)
_REMEDY = "Use the version that trained it, or train again."


@dataclass(frozen=True)
class NetworkPolicy:
    """An agent: what a network answers, clipped to [-1, 1], and added to a controller's action where it is residual.

    The network sees the features that it was trained on, by name and in its own order: an observation may hold more.

    Raises:
        PolicyMismatch: a network made for other features.
    """

    network: Network  # N inputs, 3 + S outputs
    residual: Residual | None = None
    features: tuple[str, ...] = ()  # names of the N inputs; all that this version observes where empty
    name: str = "policy"
    columns: NDArray[np.int64] | slice = field(init=False, repr=False, compare=False)
    """Where the features are in an observation."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "features", self.features or feature_names(self.segments))
        ours = declared(self.segments)
        _refuse(", ".join(name for name in self.features if name not in ours))
        if not self.network.inputs == len(set(self.features)) == len(self.features):
            raise PolicyMismatch(
                f"the network has {self.network.inputs} inputs for {len(set(self.features))} features. "
                "The file is damaged, train again."
            )
        object.__setattr__(self, "columns", columns(self.features, self.segments))

    @property
    def replan(self) -> Replan:
        """Which re-plan its observations must hold: its base's, and without one the forecast's."""
        return Replan.FORECAST if self.residual is None else self.residual.base.replan

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

    def reads(self, segments: int) -> tuple[str, ...]:
        """Names of what it looks at in an observation of its own S segments: its features, then what the base adds."""
        base = () if self.residual is None else self.residual.base.reads(segments)
        return tuple(dict.fromkeys((*self.features, *base)))

    def seen(self, observation: NDArray[np.floating]) -> NDArray[np.floating]:
        """What the network sees (B, N) of an observation (B, F): no copy where that is all of it in order."""
        return observation[:, self.columns]

    def start(self, rows: int) -> State:
        """What network and base remember at the start of a day."""
        return self.network.start(rows) | ({} if self.residual is None else self.residual.start(rows))

    def act(self, observation: NDArray[np.float32], state: State) -> tuple[Action, State]:
        """Actions (B, 3 + S) in [-1, 1] for observations (B, F), and what is remembered then."""
        raw, after = self.network.forward(self.seen(observation), state)
        if self.residual is None:
            return clipped(raw), after
        action, base = self.residual.act(observation, raw, state)
        return action, after | base

    def shrunk(self, factor: float) -> NetworkPolicy:
        """The policy whose network answers `factor` times what this one's does; for 1 it is this one."""
        return self if factor == 1.0 else replace(self, network=self.network.times(factor))

    def save(self, path: Path) -> None:
        """Write to one .npz file, without pickle.

        Raises:
            PolicyMismatch: it is added to another controller than policies are trained on, or with other gains, which
                the file cannot say.
        """
        if self.residual is not None and self.residual not in RESIDUALS.values():
            raise PolicyMismatch(
                f"a policy file holds no base but {' and '.join(RESIDUALS)}, without gains. Keep the bundle instead."
            )
        base = {} if self.residual is None else {"base": np.array(self.residual.base.name)}
        np.savez(path, residual=np.array(self.residual is not None), **base, **self.arrays())  # type: ignore[arg-type]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Its network by the names it is stored under, with the features that it reads and their ranges (N, 2)."""
        ours = declared(self.segments)
        ranges = np.array([(ours[name].low, ours[name].high) for name in self.features], np.float64)
        return {**self.network.arrays(), "features": np.array(self.features), "ranges": ranges}

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]], residual: Residual | None, name: str) -> NetworkPolicy:
        """The policy that `arrays` stored; entries of other names are passed over.

        Raises:
            PolicyMismatch: arrays that do not fit together, that name no features, or features that this version
                does not observe in the same range.
        """
        network = network_of(arrays)
        names, ranges = arrays.get("features", _NONE), arrays.get("ranges", _NONE)
        if not names.size or ranges.shape != (names.size, 2):
            raise PolicyMismatch(f"the policy does not name the features that it reads, and their ranges. {_REMEDY}")
        features = tuple(str(f) for f in names)
        read = {f: (float(low), float(high)) for f, (low, high) in zip(features, ranges, strict=True)}
        _refuse(strange(read, network.outputs - FIRST_SEGMENT))
        return cls(network, residual, features, name)

    @classmethod
    def load(cls, path: Path, name: str = "policy") -> NetworkPolicy:
        """Read what `save` wrote.

        Raises:
            PolicyMismatch: not such a file, or one that `of` refuses.
        """
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
                arrays = {key: data[key] for key in data.files}
            residual = _residual(arrays)
        except (OSError, KeyError, ValueError, EOFError, BadZipFile) as error:
            raise PolicyMismatch(f"{path} is not a saved policy ({error}). Train again.") from error
        return cls.of(arrays, residual, name)


def _residual(arrays: Mapping[str, NDArray[Any]]) -> Residual | None:
    """What the policy of a file is added to; a file that names no base was written when there was one."""
    if not bool(arrays["residual"]):
        return None
    if "base" not in arrays:
        return RESIDUAL
    base = str(arrays["base"])
    known = {residual.base.name: residual for residual in RESIDUALS.values()}
    if base not in known:
        raise PolicyMismatch(
            f"the policy is added to {base!r}, and this version adds to {' or '.join(known)}. {_REMEDY}"
        )
    return known[base]


def _refuse(features: str) -> None:
    if features:
        raise PolicyMismatch(f"the policy reads what this version does not observe: {features}. {_REMEDY}")
