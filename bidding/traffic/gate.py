"""The gate before the bid: what a source's requests are worth bidding, and how many of them a slot takes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.errors import InvalidGate


@dataclass(frozen=True)
class Gate:
    """The source axis of the bid rule of B rows over C sources, for one slot.

    A request is refused where its source's multiplier is 0, or where it is beyond the source's quota: of the slot's
    requests of that source, in arrival order and the refused among them, the first `quota` may be bid on. What is
    refused is no arrival.

    Raises:
        InvalidGate: shapes that differ, a multiplier outside [0, 1], a negative quota, or either not a number.
    """

    multiplier: NDArray[np.float64]  # (B, C) `s`, in [0, 1]; 1 bids the rule, 0 refuses
    quota: NDArray[np.float64]  # (B, C) requests per source and slot, >= 0; infinite: no limit

    def __post_init__(self) -> None:
        if self.multiplier.ndim != 2 or self.multiplier.shape != self.quota.shape or not self.multiplier.size:
            raise InvalidGate(
                f"a gate needs a multiplier and a quota per row and source; got shapes {self.multiplier.shape} and "
                f"{self.quota.shape}. Give both as (rows, sources)."
            )
        low, high, least = self.multiplier.min(), self.multiplier.max(), self.quota.min()
        if not (low >= 0.0 and high <= 1.0):  # so that what is not a number is refused, too
            raise InvalidGate(
                f"multipliers of sources lie in [0, 1], 0 refuses; got {low:g} to {high:g}. A source is never worth "
                "more than the rule bids."
            )
        if not least >= 0.0:
            raise InvalidGate(f"quotas are requests per slot, 0 or more; got {least:g}. Infinity sets no limit.")

    @classmethod
    def open(cls, rows: int, sources: int) -> Gate:
        """The gate that lets everything pass: the bids of no gate, with requests counted by source."""
        return cls(np.ones((rows, sources)), np.full((rows, sources), np.inf))
