"""The gate of one campaign's slot, request by request, as the environment's kernel applies it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.traffic.gate import Gate
from bidpilot.bidding.traffic.refusal import Refusal

_ROUNDING = 1e-6  # of a request: what a share that is no binary fraction is off by


class SlotGate:
    """Counts a slot's requests by source in arrival order, and refuses.

    Of several bidders each lets its share of a quota pass, rounded up, so that no source is refused whole for being
    small: together they bid on fewer requests more than they are.

    Args:
        gate: one row, of all bidders.
        share: of the traffic that this bidder sees, a number or by source (C,).
    """

    def __init__(self, gate: Gate, share: float | NDArray[np.float64] = 1.0) -> None:
        # in the kernel's float32, so that both refuse and sum the same
        self._multiplier: list[float] = gate.multiplier[0].astype(np.float32).tolist()
        self._most: list[float] = np.ceil(np.floor(gate.quota[0]) * share - _ROUNDING).tolist()
        self.requests = [0] * len(self._most)  # by source, the refused among them
        self.refused = [0] * len(self._most)
        self._before = [0] * len(self._most)  # requests of the slot before a restart: they use the quota up

    @property
    def used(self) -> list[int]:
        """Requests of the slot by source, before a restart too: what quotas are held against."""
        return [before + now for before, now in zip(self._before, self.requests, strict=True)]

    def resume(self, used: Sequence[int]) -> None:
        """Hold quotas against what was used of the slot before a restart as well."""
        if len(used) == len(self._before):
            self._before = list(used)

    def count_on(self, before: SlotGate) -> None:
        """Take over what another gate has counted of the slot."""
        self.requests, self.refused, self._before = before.requests, before.refused, before._before

    def admit(self, source: int) -> Refusal | None:
        """Count a request; why it is refused, None where it passes."""
        requests = self.requests
        if self._multiplier[source] > 0.0 and requests[source] + self._before[source] < self._most[source]:
            requests[source] += 1
            return None
        why = self.refusal(source)
        requests[source] += 1
        self.refused[source] += 1
        return why

    def refusal(self, source: int) -> Refusal | None:
        """Why the next request would be refused, None where it would pass; nothing is counted."""
        if self._multiplier[source] <= 0.0:
            return Refusal.source
        return Refusal.quota if self.requests[source] + self._before[source] >= self._most[source] else None

    def multiplier(self, source: int) -> float:
        """What a source's value is multiplied by."""
        return self._multiplier[source]

    def explain(self, source: int) -> dict[str, Any]:
        """What is known of a source in this slot; quota None where there is none."""
        most = self._most[source]
        return {
            "quota": None if math.isinf(most) else int(most),
            "requests": self.requests[source] + self._before[source],
            "refused": self.refused[source],
        }
