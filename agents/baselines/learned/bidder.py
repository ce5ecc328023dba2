"""A learned rival as it is played: its weights, and the bid that they give before every slot."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from bidpilot.agents.acting.network import Mlp
from bidpilot.agents.baselines.learned.state import FEATURES, DayState, Floats, Usual
from bidpilot.agents.baselines.published.auctionnet import conversion_rule
from bidpilot.bidding.errors import PolicyMismatch
from bidpilot.bidding.rule import Rule
from bidpilot.envs.bidding_env.episode import Episode


@dataclass(frozen=True)
class Scaling:
    """How states and actions of a data set are brought to the learner's range."""

    low: Floats  # (F,) least of each feature in the data set; states are cut to what the learner has seen
    high: Floats  # (F,)
    mean: Floats  # (F,)
    std: Floats  # (F,) > 0
    least: float  # log of alpha over the target at the action -1
    most: float  # at the action 1

    @classmethod
    def of(cls, states: Floats, bids: Floats) -> Scaling:
        """Of states (..., F), and logs of alpha over the target: all but the outer thousandths of these are kept."""
        flat = states.reshape(-1, states.shape[-1])
        std = flat.std(axis=0)
        least, most = np.quantile(bids, (0.001, 0.999))
        low, high = flat.min(axis=0), flat.max(axis=0)
        return cls(low, high, flat.mean(axis=0), np.where(std > 0, std, 1.0), float(least), float(most))

    def states(self, states: Floats) -> Floats:
        """Standardised (..., F)."""
        return (np.clip(states, self.low, self.high) - self.mean) / self.std

    def actions(self, bids: Floats) -> Floats:
        """In [-1, 1], of logs of alpha over the target."""
        return np.clip(2.0 * (bids - self.least) / (self.most - self.least) - 1.0, -1.0, 1.0)

    def bids(self, actions: Floats) -> Floats:
        """Logs of alpha over the target, of actions."""
        return self.least + (actions + 1.0) * (self.most - self.least) / 2.0


@dataclass(frozen=True)
class LearnedBidder:
    """A policy's mean action as bid coefficient; what its scaling is fitted on is the training log alone."""

    network: Mlp  # F inputs, one output
    scaling: Scaling
    usual: Usual

    def rule_of(self, target: Floats, counts: NDArray[np.bool_]) -> _Days:
        """The bidder through days with these targets (D,), currency, that count or do not (D,)."""
        return _Days(self, target, DayState(self.usual, target, counts))

    def alpha(self, states: Floats, target: Floats) -> Floats:
        """Bids per unit of predicted conversion (D,), currency, for states (D, F)."""
        raw, _ = self.network.forward(self.scaling.states(states), {})
        return np.asarray(target * np.exp(self.scaling.bids(np.tanh(raw[:, 0]))))

    def save(self, path: Path) -> None:
        """Write to one .npz file, without pickle."""
        scaling = {f"scaling_{name}": np.asarray(value) for name, value in vars(self.scaling).items()}
        arrays = {**self.network.arrays(), **scaling, "usual": np.array(self.usual), "features": np.array(FEATURES)}
        np.savez(path, **arrays)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: Path) -> LearnedBidder:
        """Read what `save` wrote.

        Raises:
            PolicyMismatch: not such a file, or of another version's states.
        """
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
                arrays = {key: data[key] for key in data.files}
            features = tuple(str(name) for name in arrays["features"])
            scaling = {name.removeprefix("scaling_"): a for name, a in arrays.items() if name.startswith("scaling_")}
            made = Scaling(**{name: a if a.ndim else float(a) for name, a in scaling.items()})  # type: ignore[arg-type]
            usual = Usual(*arrays["usual"].tolist())
        except (OSError, KeyError, TypeError, ValueError, EOFError, BadZipFile) as error:
            raise PolicyMismatch(f"{path} holds no learned rival ({error}). Make it again: bidpilot rivals.") from error
        if features != FEATURES:
            raise PolicyMismatch(f"{path} reads other states than this version has. Make it again: bidpilot rivals.")
        return cls(Mlp.of(arrays), made, usual)


class _Days:
    """The rules of a bidder through the days that an episode has begun."""

    def __init__(self, bidder: LearnedBidder, target: Floats, state: DayState) -> None:
        self._bidder, self._target, self._state = bidder, target, state

    def __call__(self, episode: Episode) -> Rule:
        return conversion_rule(self._bidder.alpha(self._state.before_slot(episode), self._target), episode.segments)
