"""What a watched day would have been told of, slot by slot, as a bid server tells it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.watch.alarm import Risk
from bidpilot.bidding.watch.bands import Bands
from bidpilot.bidding.watch.metrics import METRICS
from bidpilot.bidding.watch.scan import Delays, Teller, first_slots, found
from bidpilot.training.alerts.play import Watched


class Telling(NamedTuple):
    """One alarm."""

    slot: int  # at whose end it is told
    risk: Risk
    metric: str


Told = list[list[Telling]]
"""The alarms of each day, in order."""


def told(bands: Bands, watched: Watched, delays: Delays | None = None) -> Told:
    """The alarms of whole days; `delays`: how late the campaign is told."""
    late = (delays or Delays()).by_metric
    found_ = found(bands, bands.features(watched.slots, watched.weekday)).delayed(late)
    length = watched.slots.length
    first = first_slots(np.arange(length)[:, None] - late, found_.feature)  # (2, D, T, M)
    over = found_.score > bands.threshold[:, None, None]
    return [_day(bands, found_.score[:, d], first[:, d]) if over[:, d].any() else [] for d in range(over.shape[1])]


def _day(bands: Bands, score: NDArray[np.float64], first: NDArray[np.int64]) -> list[Telling]:
    teller = Teller(bands.threshold)
    return [
        Telling(t, one.risk, METRICS[one.metric].name)
        for t in range(score.shape[1])
        for one in teller.tell(score[:, t], first[:, t])
    ]


def delays_of(days: Told, risks: frozenset[Risk], onset: NDArray[np.int64]) -> NDArray[np.float64]:
    """Slots (D,) from `onset` (D,) to the first alarm of `risks` from then on, 1 in the slot itself; infinite: none."""
    return np.array(
        [
            next((t.slot - int(begin) + 1.0 for t in day if t.risk in risks and t.slot >= begin), np.inf)
            for day, begin in zip(days, onset, strict=True)
        ]
    )
