"""The checks that an auction log's columns and offsets must pass.

All are passes over whole columns that allocate nothing of a column's size unless one fails.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.errors import EmptyLog, InvalidLog, InvalidPrice, UnevenDays
from bidpilot.bidding.event import EVENTS

DTYPES: dict[str, type[np.generic]] = {
    "segment": np.int16,
    "source": np.int16,
    "invalid": np.bool_,
    "funnel": np.uint8,
}
OPTIONAL = ("interacted", "converted", "order_value")


def check_layout(columns: Mapping[str, NDArray[Any] | None], auctions: int) -> None:
    """Every column is one contiguous array (N,) of its dtype: float32 unless DTYPES says otherwise.

    Raises:
        InvalidLog: naming the column, what it is and what it should be.
    """
    for name, column in columns.items():
        if column is None and name in OPTIONAL:
            continue
        dtype = np.dtype(DTYPES.get(name, np.float32))
        if not isinstance(column, np.ndarray):
            raise InvalidLog(f"Column {name} is a {type(column).__name__}; give a NumPy array of {dtype}.")
        if column.shape != (auctions,):
            raise InvalidLog(
                f"Column {name} has shape {column.shape}, market_price has {auctions} auctions; "
                "every column needs one entry per auction."
            )
        if column.dtype != dtype or not column.flags.c_contiguous:
            raise InvalidLog(
                f"Column {name} is {column.dtype}{'' if column.flags.c_contiguous else ', not contiguous'}; "
                f"convert it with np.ascontiguousarray(column, dtype=np.{dtype})."
            )


def check_funnel(funnel: NDArray[np.uint8] | None, auctions: int) -> None:
    """The counts of events, where there are any, are one contiguous array (N, 7) of uint8.

    Raises:
        InvalidLog: what the array is and what it should be.
    """
    if funnel is None:
        return
    if not isinstance(funnel, np.ndarray) or funnel.shape != (auctions, len(EVENTS)):
        shape = getattr(funnel, "shape", type(funnel).__name__)
        raise InvalidLog(
            f"The funnel has shape {shape}; give one row per auction, ({auctions}, {len(EVENTS)}), with a count "
            f"of each of {', '.join(EVENTS)}."
        )
    if funnel.dtype != np.uint8 or not funnel.flags.c_contiguous:
        raise InvalidLog(
            f"The funnel is {funnel.dtype}{'' if funnel.flags.c_contiguous else ', not contiguous'}; convert it with "
            "np.ascontiguousarray(funnel, dtype=np.uint8)."
        )


def check_offsets(offsets: NDArray[np.int64], days: int, auctions: int) -> None:
    """Offsets (D, T + 1) start at 0, never fall, end at N, and each day starts where the last ended.

    Raises:
        InvalidLog: they do not, or there are no slots.
    """
    if not isinstance(offsets, np.ndarray) or offsets.dtype != np.int64 or offsets.ndim != 2:
        raise InvalidLog("The offsets are no int64 array of shape (days, slots + 1); build them with stack_offsets.")
    if offsets.shape[1] < 2:
        raise InvalidLog(f"The offsets have shape {offsets.shape}: zero slots. A day needs at least one.")
    if offsets.shape[0] != days:
        raise InvalidLog(f"There are {days} day records but offsets of {offsets.shape[0]} days.")
    if offsets[0, 0] != 0 or offsets[-1, -1] != auctions:
        raise InvalidLog(
            f"The offsets run from {offsets[0, 0]} to {offsets[-1, -1]}; "
            f"they must run from 0 to the number of auctions, {auctions}."
        )
    falling = np.argwhere(np.diff(offsets, axis=1) < 0)
    if len(falling):
        day, slot = falling[0]
        raise InvalidLog(f"The offsets fall after day {day}, slot {slot}; slots cannot run backwards.")
    apart = np.flatnonzero(offsets[1:, 0] != offsets[:-1, -1])
    if len(apart):
        raise InvalidLog(
            f"Day {apart[0] + 1} starts at auction {offsets[apart[0] + 1, 0]}, but the day before ends at "
            f"{offsets[apart[0], -1]}; days must follow one another without gap or overlap."
        )


def check_even(slots: Sequence[int]) -> int:
    """The one number of slots that every day has.

    Raises:
        UnevenDays: the days differ.
        InvalidLog: the days have no slot.
    """
    odd = next((day for day, count in enumerate(slots) if count != slots[0]), None)
    if odd is not None:
        raise UnevenDays(
            f"Day 0 has {slots[0]} slots but day {odd} has {slots[odd]}; all days of a log need the same "
            "number. Split the log, or cut the days into the same slots."
        )
    if slots[0] == 0:
        raise InvalidLog("The days have zero slots. A day needs at least one slot.")
    return slots[0]


def check_price(price: NDArray[np.float32]) -> None:
    """Market prices (N,) are finite and >= 0.

    Raises:
        InvalidPrice: how many are not, the first of them and its index.
    """
    if len(price) == 0:
        raise EmptyLog("The log holds no auction. Give at least one auction.")
    # A NaN anywhere makes min and max NaN, so two passes without temporaries see everything.
    if price.min() >= 0 and price.max() < np.inf:
        return
    bad = np.flatnonzero(~((price >= 0) & (price < np.inf)))
    raise InvalidPrice(
        f"{len(bad)} of {len(price)} market prices are negative or not finite, the first at index "
        f"{bad[0]}: {price[bad[0]]}. Set such auctions aside before the log is made."
    )


def check_range(name: str, column: NDArray[np.float32], highest: float) -> None:
    """Values (N,) lie in [0, highest].

    Raises:
        InvalidLog: how many do not, the first of them and its index.
    """
    if column.min() >= 0 and column.max() <= highest:
        return
    bad = np.flatnonzero(~((column >= 0) & (column <= highest)))
    raise InvalidLog(
        f"{len(bad)} of {len(column)} values of {name} are not in [0, {highest:g}], the first at index "
        f"{bad[0]}: {column[bad[0]]}. Set such auctions aside before the log is made."
    )


def check_ids(name: str, column: NDArray[np.int16], count: int) -> None:
    """Ids (N,) lie in 0 .. count - 1.

    Raises:
        InvalidLog: the range found and the range allowed.
    """
    lowest, highest = int(column.min()), int(column.max())
    if lowest < 0 or highest >= count:
        raise InvalidLog(
            f"Column {name} runs from {lowest} to {highest}, but the log names {count} of them "
            f"(0 to {count - 1}); add the missing names or correct the ids."
        )
