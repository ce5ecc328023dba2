"""What a filter of traffic refused, slot by slot, and how right it was by the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.clearing.traffic import TrueTraffic

V = TypeVar("V", bound=np.generic)

LEAST_BURST: Final = 8
"""Invalid requests of one source and slot, most of what it sends there, that make its day a bad one: fewer are chance
where a source sends two or three requests in a slot."""


@dataclass(frozen=True)
class Refusals:
    """D days behind one filter, by slot and source."""

    refused: NDArray[np.int64]  # (D, T, C) requests
    multiplier: NDArray[np.float64]  # (D, T, C) of bids; 0: the source was refused whole
    spend: NDArray[np.float64]  # (D, T, C) currency
    suspicion: NDArray[np.float64]  # (D, T, C) probability of invalid traffic after the slot; 0 without a filter

    @classmethod
    def joined(cls, parts: Sequence[Refusals]) -> Refusals:
        """The days of one after those of another."""
        names = [each.name for each in fields(cls)]
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


class Watch:
    """Collects refusals while an arena plays: give it as `watch`."""

    def __init__(self) -> None:
        self._slots: list[tuple[NDArray[np.generic], ...]] = []

    def __call__(self, episode: Episode) -> None:
        """Take in the slot that has just been played."""
        totals, gate, traffic = episode.totals, episode.rule.gate, episode.statistics.traffic
        shape = totals.source_refused.shape
        self._slots.append(
            (
                totals.source_refused.copy(),
                np.ones(shape) if gate is None else gate.multiplier.copy(),
                totals.source_spend.copy(),
                np.zeros(shape) if traffic is None else traffic.suspicion().copy(),
            )
        )

    def refusals(self, slots: int) -> Refusals:
        """Of all that was played, `slots` a day; days in a row in the order of playing."""
        return Refusals(*(_by_day(np.stack(kind), slots) for kind in zip(*self._slots, strict=True)))


def _by_day(played: NDArray[V], slots: int) -> NDArray[V]:
    """(K B, T, C) of what was collected slot by slot over K turns of B rows, (K T, B, C)."""
    return np.concatenate([played[k : k + slots].swapaxes(0, 1) for k in range(0, len(played), slots)])


@dataclass(frozen=True)
class Accuracy:
    """How right refusals were. Within a slot and source, invalid requests are taken to be refused as the others are."""

    honest_refused: float  # share of valid requests
    caught: float  # share of invalid requests that were refused; 0 where there are none
    honest_closed: float  # share of (day, source) without a burst that was refused whole in some slot
    precision: float | None  # share of (day, source) held back that sent a burst; None: no burst, or none held back
    recall: float | None  # share of (day, source) that sent a burst and was held back from then on; None: no burst
    slots_to_detection: float | None  # median slots from its onset to that; None: none was held back


def accuracy(found: Refusals, truth: TrueTraffic) -> Accuracy:
    """Judge refusals by the truth of the same days.

    A source is held back in a slot where some request is refused, or what it sends is bid on at a discount.
    """
    slot = np.arange(found.refused.shape[1])[:, None]
    onset = onsets(truth)  # (D, C)
    bad = onset < len(slot)
    held = (found.refused > 0) | ((found.multiplier < 1.0) & (truth.requests > 0))
    first = np.where(held & (slot >= onset[:, None]), slot, len(slot)).min(axis=1)
    hit = bad & (first < len(slot))
    flagged = held.any(axis=1)
    closed = np.any(found.multiplier == 0.0, axis=1)
    valid = truth.requests - truth.invalid
    return Accuracy(
        honest_refused=_ratio((found.refused * (1.0 - truth.rate)).sum(), valid.sum()) or 0.0,
        caught=_ratio((found.refused * truth.rate).sum(), truth.invalid.sum()) or 0.0,
        honest_closed=_ratio((closed & ~bad).sum(), (~bad).sum()) or 0.0,
        precision=_ratio((flagged & bad).sum(), flagged.sum()) if bad.any() else None,
        recall=_ratio(hit.sum(), bad.sum()),
        slots_to_detection=float(np.median((first - onset)[hit])) if hit.any() else None,
    )


def onsets(truth: TrueTraffic) -> NDArray[np.int64]:
    """(D, C) first slot of a burst from a source; T where it sends none that day.

    A burst is a slot with at least `LEAST_BURST` invalid requests that are most of what the source sends there. A
    source without one is bad from the first slot on where more than half of its day is invalid.
    """
    slots = truth.requests.shape[1]
    burst = truth.mostly_invalid & (truth.invalid >= LEAST_BURST)
    whole = 2 * truth.invalid.sum(axis=1) > truth.requests.sum(axis=1)
    return np.where(burst.any(axis=1), burst.argmax(axis=1), np.where(whole, 0, slots))


def invalid_spend(found: Refusals, truth: TrueTraffic) -> NDArray[np.float64]:
    """(D,) currency spent on invalid traffic, taken to be won within a slot and source as the other traffic is."""
    spent: NDArray[np.float64] = (found.spend * truth.rate).sum(axis=(1, 2))
    return spent


def _ratio(part: float, whole: float) -> float | None:
    return float(part / whole) if whole > 0 else None
