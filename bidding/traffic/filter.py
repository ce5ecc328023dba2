"""What every filter of traffic offers, whether it estimates which traffic is invalid or is told."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.traffic.gate import Gate


class SourceTotals(Protocol):
    """What a filter reads of a slot, by row and source (B, C); `SlotTotals` has it all."""

    @property
    def source_auctions(self) -> NDArray[np.int64]:
        """Requests, the refused among them."""

    @property
    def source_wins(self) -> NDArray[np.int64]:
        """Won auctions."""

    @property
    def source_exposed(self) -> NDArray[np.float64]:
        """Predicted exposure of won auctions: the views that are expected of them."""

    @property
    def source_views(self) -> NDArray[np.int64]:
        """Views that were told of them."""

    @property
    def source_predicted(self) -> NDArray[np.float64]:
        """Predicted interactions of won auctions."""

    @property
    def source_events(self) -> NDArray[np.int64]:
        """Likes, comments, shares and follows that were told of them."""


class TrafficFilter(Protocol):
    """Decides the gate of every slot of a day of B rows."""

    def begin(self, late: NDArray[np.int64]) -> None:
        """Begin a day; row b is told what its wins brought `late[b]` slots after them, (B,)."""

    def gate(self, t: int) -> Gate:
        """The gate of slot `t`, which no auction of it has passed yet."""

    def update(self, t: int, totals: SourceTotals) -> None:
        """Take in slot `t`, which has just passed."""

    def late(self, t: int, totals: SourceTotals) -> None:
        """Add what is told only now of slot `t`, which was taken in before."""

    def estimates(self) -> NDArray[np.float64]:
        """What is believed of each row so far (3, B), shares in [0, 1].

        Invalid among the wins told so far; the same among those of the last slot told; and of the interaction events
        told so far, those that came from suspect sources. 0 where there is nothing to take a share of.
        """

    def filtered(self) -> NDArray[np.float64]:
        """Share (B,) of the wins of the last slot told that are held for invalid: they count for no KPI."""

    def suspicion(self) -> NDArray[np.float64]:
        """Probability (B, C) that what a source sends is invalid."""
