"""The gate of one campaign's slot, request by request, as the environment's kernel applies it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from bidpilot.bidding.traffic.gate import Gate
from bidpilot.bidding.traffic.refusal import Refusal


def even_share(quota: float, bidders: int) -> float:
    """The requests of a slot that each of `bidders` may bid on, of a quota of all of them.

    Rounded up, so that no source is refused whole for being small: together they bid on at most `bidders` - 1 more.
    """
    return quota if math.isinf(quota) else math.ceil(math.floor(quota) / bidders)


class SlotGate:
    """Counts a slot's requests by source in arrival order, and refuses.

    Args:
        gate: one row, of all bidders.
        bidders: that share the traffic evenly.
    """

    def __init__(self, gate: Gate, bidders: int) -> None:
        # in the kernel's float32, so that both refuse and sum the same
        self._multiplier: list[float] = gate.multiplier[0].astype(np.float32).tolist()
        self._most = [even_share(quota, bidders) for quota in gate.quota[0].tolist()]
        self.requests = [0] * len(self._most)  # by source, the refused among them
        self.refused = [0] * len(self._most)

    def admit(self, source: int) -> Refusal | None:
        """Count a request; why it is refused, None where it passes."""
        why = self.refusal(source)
        self.requests[source] += 1
        if why is not None:
            self.refused[source] += 1
        return why

    def refusal(self, source: int) -> Refusal | None:
        """Why the next request would be refused, None where it would pass; nothing is counted."""
        if self._multiplier[source] <= 0.0:
            return Refusal.source
        return Refusal.quota if self.requests[source] >= self._most[source] else None

    def multiplier(self, source: int) -> float:
        """What a source's value is multiplied by."""
        return self._multiplier[source]

    def explain(self, source: int) -> dict[str, Any]:
        """What is known of a source in this slot; quota None where there is none."""
        most = self._most[source]
        return {
            "quota": None if math.isinf(most) else most,
            "requests": self.requests[source],
            "refused": self.refused[source],
        }
