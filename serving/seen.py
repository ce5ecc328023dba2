"""What a bidder has seen of a slot, as counts that those of other bidders can be added to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.day.slot_totals import SlotTotals

_COLUMNS = tuple(f.name for f in fields(SlotTotals))


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
    first = parts[0]
    return SlotTotals(
        **{
            name: first.ratio_quantiles if name == "ratio_quantiles" else sum(getattr(part, name) for part in parts)
            for name in _COLUMNS
        }
    )


def of_all(totals: SlotTotals, factor: float) -> SlotTotals:
    """What all bidders saw, where `totals` are the part `1 / factor` of it; `totals` stay as they are."""
    return SlotTotals(
        **{
            name: column.copy() if name == "ratio_quantiles" else _scaled(column, factor)
            for name, column in vars(totals).items()
        }
    )


def _scaled(column: NDArray[np.generic], factor: float) -> NDArray[np.generic]:
    if np.issubdtype(column.dtype, np.integer):
        return np.rint(column * factor).astype(column.dtype)
    return column * factor  # type: ignore[no-any-return,operator]
