"""How rivals set their multipliers after a slot, each by its kind."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.landscape.octaves import RATIOS
from bidpilot.envs.answering.config import Pacing
from bidpilot.envs.answering.contest import BINS, Field, Slot

_FIXED, _PID, _PLANS, _TARGET = (int(kind) for kind in Pacing)
_EDGES = RATIOS.edges()
GAIN, GAIN_OF_CHANGE, GAIN_OF_TARGET = 0.5, 5.0, 0.3
"""Of the log multiplier on a slot's error, on its change, and on the log of target over cost."""
REMEMBERED = 0.9
"""Weight after a slot of the prices that were seen in it."""
LOWEST, HIGHEST = 0.05, 4.0
"""Ends of a multiplier."""


class Books(NamedTuple):
    """What rivals keep through a day."""

    kind: NDArray[np.int8]  # (N,) `Pacing`
    budget: NDArray[np.float64]  # (N,) currency
    target: NDArray[np.float64]  # (N,) spend per value
    error: NDArray[np.float64]  # (G, N) of the last slot
    spent: NDArray[np.float64]  # (G, N) so far, currency
    value: NDArray[np.float64]  # (G, N) of what was won so far, currency


@numba.njit(cache=True, error_model="numpy", nogil=True)
def pace(first, last, played, slots_left, auctions_left, slots, field_of, slot_of, books_of):  # type: ignore[no-untyped-def]
    """Book the slot, and set the multipliers of the rivals of markets `first` to `last` for the slots to come.

    PID: the log multiplier moves with the gap of the last slot's spend to an even spend of what was left. Linear
    programme: of the prices seen, cheapest for their value first, as many as the budget left affords are bought, and
    the bid is value over the last one's value per price (the dual of the fractional programme). Target cost: the
    log multiplier moves with the log of the target over spend per value. None bids more than `HIGHEST` times its value.
    """
    field, slot, books = Field(*field_of), Slot(*slot_of), Books(*books_of)
    for g in range(first, last):
        place = 0
        for r in range(played, books.kind.size):
            kind = books.kind[r]
            multiplier = np.float64(field.multiplier[g, r])
            books.spent[g, r] += slot.spent[g, r]
            books.value[g, r] += slot.won[g, r] / multiplier
            if kind == _PID:
                error = field.left[g, r] / books.budget[r] - slots_left / slots
                multiplier *= np.exp(GAIN * error + GAIN_OF_CHANGE * (error - books.error[g, r]))
                books.error[g, r] = error
            elif kind == _PLANS:
                seen = slot.seen[g, place]
                place += 1
                affordable = field.left[g, r] / auctions_left * slot.sampled[g]
                multiplier = 0.5 * (multiplier + 1.0 / _price_of_money(seen, affordable))
            elif kind == _TARGET and books.value[g, r] > 0.0:
                over = np.log(books.target[r] * books.value[g, r] / max(books.spent[g, r], 1e-300))
                multiplier *= np.exp(GAIN_OF_TARGET * min(max(over, -1.0), 1.0))
            field.multiplier[g, r] = min(max(multiplier, LOWEST), HIGHEST)
        for place in range(slot.seen.shape[1]):  # as a whole array it would be compiled for seconds
            for k in range(BINS):
                slot.seen[g, place, k] *= np.float32(REMEMBERED)
        slot.sampled[g] *= REMEMBERED


@numba.njit(cache=True, error_model="numpy", nogil=True)
def _price_of_money(seen, affordable):  # type: ignore[no-untyped-def]
    """Value per price of the dearest purchase that is afforded, of prices (BINS,) by their bin, linear within one."""
    total, k = 0.0, BINS - 1
    while k > 0 and total + seen[k] <= affordable:
        total += seen[k]
        k -= 1
    inside = (affordable - total) / seen[k] if seen[k] > 0.0 else 0.0
    return _EDGES[k + 1] - (_EDGES[k + 1] - _EDGES[k]) * min(max(inside, 0.0), 1.0)
