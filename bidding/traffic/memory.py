"""What is remembered of sources from day to day, and shared between campaigns: a small file, decayed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.errors import InvalidMemory
from bidpilot.bidding.traffic.evidence import log_odds

Matrix = NDArray[np.float64]

DECAY = 0.9
"""Of what days before have said, that a day later still counts."""
_LEAST, _MOST = -4.0, 10.0  # nats that days before count for: a day's own outcomes must be able to outweigh them
_POOL = 1000.0  # sources that the chance of an unknown one counts as


@dataclass(frozen=True)
class SourceMemory:
    """What days before have told, by source: (C,), or (B, C) where rows remember apart."""

    evidence: Matrix  # nats for invalid traffic
    requests: Matrix  # of slots with a surge as many as usual
    days: int = 0

    def __post_init__(self) -> None:
        if self.evidence.shape != self.requests.shape:
            raise InvalidMemory(
                f"what is remembered of sources is of {self.evidence.shape} of them by evidence and of "
                f"{self.requests.shape} by requests. Delete the file: a day later it is back."
            )
        if not (np.isfinite(self.evidence).all() and np.isfinite(self.requests).all() and (self.requests >= 0).all()):
            raise InvalidMemory(
                "what is remembered of sources must be finite, and requests 0 or more. Delete the file: a day later it "
                "is back."
            )

    @classmethod
    def none(cls, shape: tuple[int, ...]) -> SourceMemory:
        """Nothing remembered."""
        return cls(np.zeros(shape), np.zeros(shape))

    def prior(self, chance: float) -> Matrix:
        """Log odds of the sources at the start of a day, where an unknown one is invalid with probability `chance`.

        The share of sources that were found out moves the chance of those that are not known: what comes to one
        campaign's pool of sources differs from what comes to another's.
        """
        bad = (self.evidence > log_odds(0.9) - log_odds(chance)).sum(axis=-1, keepdims=True)
        pool = (bad + chance * _POOL) / (self.evidence.shape[-1] + _POOL)
        return np.log(pool / (1.0 - pool)) + self.evidence  # type: ignore[no-any-return]

    def share(self, told: Matrix, weight: float) -> Matrix:
        """Share of requests by source, what was `told` (C,) counting as `weight` requests; 0 where nothing is known."""
        counts = weight * told + self.requests
        share: Matrix = counts / np.maximum(counts.sum(axis=-1, keepdims=True), 1.0)
        return share

    def after(self, day: Matrix, requests: Matrix) -> SourceMemory:
        """What is remembered after a day of `day` nats and `requests`, those beyond the usual left out."""
        evidence = np.clip(DECAY * self.evidence + day, _LEAST, _MOST)
        return SourceMemory(evidence, DECAY * self.requests + requests, self.days + 1)

    def save(self, path: Path) -> None:
        """Write to one .npz file, whole or not at all."""
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            np.savez(file, evidence=self.evidence, requests=self.requests, days=self.days)
        part.replace(path)

    @classmethod
    def load(cls, path: Path) -> SourceMemory:
        """Read what `save` wrote.

        Raises:
            InvalidMemory: not such a file.
        """
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
                evidence, requests = (data[name].astype(np.float64) for name in ("evidence", "requests"))
                return cls(evidence, requests, int(data["days"]))
        except (OSError, KeyError, ValueError, EOFError, BadZipFile) as error:
            raise InvalidMemory(
                f"{path} holds no memory of sources ({error}). Delete it: a day later it is back."
            ) from error
