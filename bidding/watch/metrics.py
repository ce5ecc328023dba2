"""What is watched of a campaign's day, slot by slot: the metrics, and the counts that they are made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.day.slot_totals import SlotTotals
from bidpilot.bidding.watch.alarm import Risk


@dataclass(frozen=True)
class Metric:
    """One quantity with a band, and what it tells of when it leaves it."""

    name: str
    unit: str  # in words, for a reader of alarms
    above: Risk | None  # what it tells of above its band; None: that side is not watched
    below: Risk | None  # and below it

    @property
    def sides(self) -> tuple[Risk | None, Risk | None]:
        """What it tells of above, and below."""
        return self.above, self.below


_MOVED: Final = Risk.platform_shock

LEVELS: Final = (
    Metric("requests", "requests in a slot", _MOVED, _MOVED),
    Metric("win rate", "wins per request", _MOVED, _MOVED),
    Metric("spend", "share of the budget in a slot", Risk.budget_overrun, _MOVED),
    Metric("CPA", "currency per expected conversion", Risk.target_missed, None),
    Metric("exposure", "exposure in a slot per unit of budget", None, _MOVED),
    Metric("interaction", "expected interactions in a slot per unit of budget", None, _MOVED),
    Metric("conversion", "expected conversions in a slot per unit of budget", None, _MOVED),
    Metric("refused", "share of requests that the gate refuses", Risk.invalid_traffic, None),
)
"""What is held against the curve of the day: the log of each has a band for every slot."""

TOLD: Final = (
    Metric("interactions told", "told per predicted interaction", Risk.miscalibration, Risk.miscalibration),
    Metric("conversions told", "told per predicted conversion", Risk.miscalibration, Risk.miscalibration),
)
"""What wins brought, held against what was predicted of them."""

SILENT: Final = (
    Metric("interaction silence", "events predicted since one was told", Risk.tracking_outage, None),
    Metric("conversion silence", "conversions predicted since one was told", Risk.tracking_outage, None),
)
"""How much was predicted since anything was told."""

PLAYED: Final = frozenset(metric.name for metric in LEVELS) - {"requests", "refused"}
"""What depends on how a campaign bids, and so on its own budget and terms."""
_OF_REQUESTS = np.array([metric.name not in PLAYED for metric in LEVELS])

SHAPE: Final = Metric("shape of the day", "spread of log requests about one step", Risk.regime_change, None)
"""How far requests run about the curve of the day, when one step in them is allowed for."""

METRICS: Final = (*LEVELS, *TOLD, *SILENT, SHAPE)
NAMES: Final = tuple(metric.name for metric in METRICS)
LEAST_REFUSED: Final = 0.01
"""Share of refused requests below which none is counted."""
_COUNTS: Final = ("auctions", "refused", "wins", "spend", "exposure", "interaction", "conversion")
_TOLD_COUNTS: Final = ("interactions_told", "conversions_told")


class Slots:
    """The counts of B campaign days, slot by slot, as they are known by now; what is told late is added in place.

    Money is in currency, KPIs in units of the triple, predicted of won auctions; `counts[name]` is (B, T).
    """

    def __init__(self, budget: NDArray[np.float64], slots: int) -> None:
        """Of days with a `budget` (B,) > 0, currency, and `slots` slots."""
        self.budget = np.asarray(budget, np.float64)
        self.t = 0  # slots that are over
        self.seen = np.ones(slots, np.bool_)  # (T,) false where nobody saw the whole of a slot
        self.played = np.ones(slots, np.bool_)  # (T,) false where no bids were made, as of a campaign that is paused
        self.counts = {name: np.zeros((len(self.budget), slots)) for name in (*_COUNTS, *_TOLD_COUNTS)}

    @property
    def length(self) -> int:
        """Slots of a day, T."""
        return self.counts["auctions"].shape[1]

    def close(self, totals: SlotTotals | None, played: bool = True) -> None:
        """Take in the slot that has just passed; None: nobody saw the whole of it, and it tells nothing.

        One that was not `played` tells of requests alone.
        """
        if totals is not None:
            self._add(self.t, totals)
        self.seen[self.t], self.played[self.t] = totals is not None, played
        self.t += 1

    def late(self, slot: int, totals: SlotTotals) -> None:
        """Add what is told only now of a slot that is over."""
        if self.seen[slot]:
            self._add(slot, totals)

    def _add(self, slot: int, totals: SlotTotals) -> None:
        found = {
            "auctions": totals.auctions,
            "refused": totals.source_refused.sum(axis=1),
            "wins": totals.wins,
            "spend": totals.spend,
            "exposure": totals.predicted[:, 0],
            "interaction": totals.predicted[:, 1],
            "conversion": totals.predicted[:, 2],
            "interactions_told": totals.realised[:, 1],
            "conversions_told": totals.realised[:, 2],
        }
        for name, amount in found.items():
            self.counts[name][:, slot] += amount

    def of(self, name: str) -> NDArray[np.float64]:
        """(B, t) one count of the slots that are over."""
        return self.counts[name][:, : self.t]

    def levels(self) -> NDArray[np.float64]:
        """(B, t, L) each metric of `LEVELS` in its own unit; not a number where there is nothing to take it of."""
        auctions, refused, wins, spend = (self.of(name) for name in ("auctions", "refused", "wins", "spend"))
        requests, budget = auctions + refused, self.budget[:, None]
        conversion = self.of("conversion")
        with np.errstate(invalid="ignore", divide="ignore"):
            found = (
                requests + 0.5,
                np.where(auctions > 0, (wins + 0.5) / (auctions + 1.0), np.nan),
                spend / budget,
                np.where(conversion > 0, spend / conversion, np.nan),
                self.of("exposure") / budget,
                self.of("interaction") / budget,
                conversion / budget,
                np.maximum(refused / np.maximum(requests, 1.0), LEAST_REFUSED),
            )
        known = self.seen[: self.t, None] & (self.played[: self.t, None] | _OF_REQUESTS)
        return np.where(known, np.stack(found, axis=-1), np.nan)

    def silent(self) -> NDArray[np.int64]:
        """(B, t, 2) slots since the last in which interactions, and conversions, were told of; all where none was."""
        told = np.stack([self.of(name) > 0 for name in _TOLD_COUNTS], axis=-1)
        slot = np.arange(1, self.t + 1)[:, None]
        return slot - np.maximum.accumulate(np.where(told, slot, 0), axis=1)
