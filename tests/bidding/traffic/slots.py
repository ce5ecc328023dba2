"""Slots of traffic by source, made up for the tests of what filters it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Slot:
    """What a filter reads of a slot of one row, (1, C) each."""

    source_auctions: Ints
    source_wins: Ints
    source_exposed: Floats
    source_views: Ints
    source_predicted: Floats
    source_events: Ints


def slot(
    requests: list[int],
    wins: list[int] | None = None,
    views: list[int] | None = None,
    events: list[int] | None = None,
    rows: int = 1,
) -> Slot:
    """A slot of `rows` like rows; each win is predicted half a view and one interaction."""
    none = [0] * len(requests)

    def ints(values: list[int] | None) -> Ints:
        return np.tile(np.array(values or none, np.int64), (rows, 1))

    won = ints(wins)
    predicted = won.astype(np.float64)
    return Slot(ints(requests), won, 0.5 * predicted, ints(views), predicted, ints(events))
