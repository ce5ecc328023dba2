"""Volume: how many requests each source usually sends, who surges, and since when."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.traffic.evidence import evidence

Matrix = NDArray[np.float64]

_LEAST = 0.05  # requests of a slot that every source is expected to send
_CALM = 2.5  # times the usual, and 4 more, that a source sends at most while the level is read off it
_MOST_LEARNT = 4.0  # times the told share that a source's own may become


@dataclass(frozen=True)
class VolumeSettings:
    """What is believed of volumes before any is seen."""

    quota: float = 4.0  # times its usual requests, and as many more, that a source gets in a slot
    tight: float = 2.0  # the same once the evidence of a surge is above `alarm`
    rise: float = 3.0  # times its usual requests that a source sends in a surge
    shape: float = 20.0  # of the requests of a slot, which scatter between like slots
    alarm: float = 8.0  # nats for a surge at which it is noticed below the quota, too
    calm: int = 8  # slots without a surge after which the next one is another one
    learn: float = 20.0  # requests of a source after which its own share counts as much as the one told


class Volumes:
    """Requests of B rows' C sources over a day.

    A surge begins where a source passes its quota, or where the cumulative evidence for `rise` times its usual
    requests, held at 0 from below (Page 1954), passes `alarm`. Shares are learnt from slots without a surge. A source
    whose share is told as 0 is not known: it has no quota, and never surges. So it is for all in a slot of which the
    forecast expects nothing: what comes all the same says nothing of who surges.

    Args:
        expected: (T,) requests per slot of the forecast.
        shape: rows B and sources C.
    """

    def __init__(self, expected: Matrix, shape: tuple[int, int], settings: VolumeSettings) -> None:
        self.settings, self._expected = settings, expected
        self._told, self._known = np.zeros(shape), np.zeros(shape, np.bool_)
        self.seen = np.zeros(shape)  # requests of slots without a surge, of the day
        self.usual = np.zeros(shape)  # requests that were expected in the last slot, at the level of its traffic
        self.ordinary = np.zeros(shape)  # requests of the day, of a slot with a surge those expected
        self.total = np.zeros(shape)  # requests of the day
        self.onset = np.zeros(shape, np.int64)  # slot in which the latest surge began
        self.excess = np.zeros(shape)  # share of the last slot's requests beyond the usual; 0 where none surges
        self.requests, self.quota = np.zeros(shape), np.full(shape, np.inf)  # of the last slot
        self._alarm, self._quiet = np.zeros(shape), np.zeros(shape, np.int64)
        self._foreseen = np.zeros(shape)  # what `seen` was told to be
        self._share, self._level = np.zeros(shape), np.ones((shape[0], 1))

    def begin(self, share: Matrix) -> None:
        """Begin a day with nothing seen; sources have `share` (C,) or (B, C) of the requests, 0 where not known."""
        for array in (self.onset, self.excess, self.requests, self.usual, self._alarm):
            array[:] = 0
        for array in (self.seen, self.ordinary, self.total, self._foreseen):
            array[:] = 0
        self._told[:] = share
        np.greater(self._told, 0.0, out=self._known)
        self.quota[:] = np.inf
        self._quiet[:] = self.settings.calm + 1
        self._share[:], self._level[:] = self._told, 1.0

    @property
    def surging(self) -> NDArray[np.bool_]:
        """(B, C) whether a surge goes on, or has ended not long ago."""
        return self._quiet <= self.settings.calm

    def limits(self, t: int) -> Matrix:
        """Requests (B, C) that a source gets in slot `t`, whatever its outcomes say; whole numbers."""
        s = self.settings
        times = np.where(self.surging & (self._alarm > s.alarm), s.tight, s.quota)
        usual = self._share * (self._expected[t] * np.maximum(self._level, 1.0))
        return np.where(self._known & (self._expected[t] > 0.0), np.floor(times * (usual + 1.0)), np.inf)

    def update(self, t: int, requests: Matrix) -> NDArray[np.bool_]:
        """Take in the requests (B, C) of slot `t`; where a surge has begun in it, (B, C)."""
        s = self.settings
        self.requests[:], self.quota[:] = requests, self.limits(t)
        self.total += requests
        if not self._expected[t] > 0.0:
            self.excess[:] = 0.0
            self._quiet += 1
            return np.zeros(self.surging.shape, np.bool_)
        self._level[:] = self._level_of(t, requests)
        usual = self._share * (self._expected[t] * self._level) + _LEAST
        self.usual[:] = usual
        self._alarm += evidence(requests, usual, s.rise, s.shape) * self._known
        np.clip(self._alarm, 0.0, 2.0 * s.alarm, out=self._alarm)
        now = (requests > self.quota) | (self._alarm > s.alarm)
        begun: NDArray[np.bool_] = now & ~self.surging
        self.onset[begun] = t
        self._quiet += 1
        self._quiet[now] = 0
        self.excess[:] = np.where(now, np.maximum(1.0 - usual / np.maximum(requests, 1.0), 0.0), 0.0)
        self._foreseen += np.where(now, 0.0, self._told * (self._expected[t] * self._level))
        self.seen += np.where(now, 0.0, requests)
        self.ordinary += np.where(now, np.minimum(requests, usual), requests)
        learnt = (s.learn + self.seen) / (s.learn + self._foreseen)
        np.multiply(self._told, np.minimum(learnt, _MOST_LEARNT), out=self._share)
        return begun

    def _level_of(self, t: int, requests: Matrix) -> Matrix:
        """Level (B, 1) of the slot's traffic against the forecast, read off sources that do not surge."""
        level: Matrix = requests.sum(axis=1, keepdims=True) / max(self._expected[t], 1.0)
        for _ in range(2):
            calm = self._known & (requests <= _CALM * (self._share * (self._expected[t] * level)) + 4.0)
            there = (self._share * calm).sum(axis=1, keepdims=True) * self._expected[t]
            level = (requests * calm).sum(axis=1, keepdims=True) / np.maximum(there, 1.0)
        return level
