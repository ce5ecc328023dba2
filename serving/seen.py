"""What a bidder has seen of a slot, as counts that those of other bidders can be added to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.day.slot_totals import SlotTotals

_QUANTILES = "ratio_quantiles"
_SUMS = tuple(f.name for f in fields(SlotTotals) if f.name != _QUANTILES)


@dataclass(frozen=True)
class Seen:
    """Counts of one slot of one campaign. Money in currency, KPI in units of the triple."""

    totals: SlotTotals  # one row; prices and their quantiles are not among it
    shown: float  # market prices that were shown, summed
    priced: int  # auctions that showed one
    bins: NDArray[np.int64]  # (RATIOS.bins,) of them by value per price
    unwatched: float  # share of the slot in which it did not run

    @property
    def auctions(self) -> int:
        """Requests that no gate refused."""
        return int(self.totals.auctions[0])

    def times(self, factor: float) -> Seen:
        """What all see where this is the part `1 / factor`. Prices stand for all auctions as they are."""
        return Seen(of_all(self.totals, factor), self.shown, self.priced, self.bins, self.unwatched)


def pooled(parts: Sequence[Seen]) -> Seen:
    """What several bidders have seen together; at least one. Where one of them ran, requests were answered."""
    first, *others = parts
    if not others:
        return first
    totals = added([part.totals for part in parts])
    bins = np.sum([part.bins for part in parts], axis=0)
    unwatched = min(part.unwatched for part in parts)
    return Seen(totals, sum(part.shown for part in parts), sum(part.priced for part in parts), bins, unwatched)


def added(parts: Sequence[SlotTotals]) -> SlotTotals:
    """Totals summed column by column; quantiles, which have no sum, are those of the first."""
    return SlotTotals(**{name: _sum([getattr(part, name) for part in parts]) for name in _SUMS} | _quantiles(parts[0]))


def of_all(totals: SlotTotals, factor: float) -> SlotTotals:
    """What all bidders saw, where `totals` are the part `1 / factor` of it; `totals` stay as they are."""
    return SlotTotals(**{name: _scaled(getattr(totals, name), factor) for name in _SUMS} | _quantiles(totals))


def _quantiles(totals: SlotTotals) -> dict[str, Any]:
    return {_QUANTILES: totals.ratio_quantiles.copy()}


def _sum(columns: list[NDArray[Any]]) -> NDArray[Any]:
    total = columns[0].copy()
    for column in columns[1:]:
        total += column
    return total


def _scaled(column: NDArray[Any], factor: float) -> NDArray[Any]:
    scaled = column * factor
    return np.rint(scaled).astype(column.dtype) if np.issubdtype(column.dtype, np.integer) else scaled
