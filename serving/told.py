"""What is told of an exposure after it was won, and the memory of what was told already."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final, TypeVar, cast

from bidpilot.bidding.campaign.profile import FunnelWeights
from bidpilot.bidding.errors import InvalidNotice
from bidpilot.bidding.event import EVENTS, MOST_EVENTS, Event
from bidpilot.serving.notices import Ticket, finite_number, read_fields

_BITS: Final[dict[Event | None, int]] = {kind: 1 << place for place, kind in enumerate((*EVENTS, None))}
MOST_BIDS: Final = 1 << 18
"""Bids of a campaign's day whose events are remembered, at about a hundred bytes each."""
_Number = TypeVar("_Number", int, float)
_MOST_INTERACTIONS, _MOST_CONVERSIONS = 1e6, 1e3  # that one exposure can bring, untyped; more is cut


@dataclass(frozen=True, slots=True)
class Told:
    """Events of one type of one exposure, or, untyped, the interactions and conversions that it brought in all.

    Raises:
        InvalidNotice: an unknown type, a count outside 1 .. MOST_EVENTS, a number that is negative or not finite, or a
            value of anything but a conversion.
    """

    event: Event | None = None  # None: untyped
    count: int = 1
    value: float | None = None  # what a conversion was worth, currency; it is kept in the decision log
    interaction: float = 0.0  # interactions, where untyped or weighed
    conversion: float = 0.0  # conversions, where untyped or weighed

    def __post_init__(self) -> None:
        if self.event is not None and self.event not in EVENTS:
            raise InvalidNotice(f"the event's type e is {self.event[:40]!r}. Tell one of: {', '.join(EVENTS)}.")
        if not 1 <= self.count <= MOST_EVENTS:
            raise InvalidNotice(f"the event's count n is {self.count}. Tell a whole number from 1 to {MOST_EVENTS}.")
        if self.value is not None and self.event != "convert":
            raise InvalidNotice(f"the event {self.event} has a value v, {self.value}. Tell one of convert only.")
        numbers = {"value v": self.value, "interactions i": self.interaction, "conversions c": self.conversion}
        for name, number in numbers.items():
            if number is not None and not (math.isfinite(number) and number >= 0):
                raise InvalidNotice(f"the event's {name} is {number}. Tell a finite number, 0 or more.")

    def weighed(self, weights: FunnelWeights) -> Told:
        """The same with the interactions and conversions that the events count for; untyped, it says them itself."""
        if self.event is None:
            return self
        interaction = self.count * weights.per_event()[EVENTS.index(self.event)]
        return replace(self, interaction=interaction, conversion=float(self.count * (self.event == "convert")))


def read_told(query: str) -> Told:
    """What the address of an event tells: `e` with `n` and `v`, or untyped `i` and `c`.

    Raises:
        InvalidNotice: what it tells cannot be, or is told in both ways.
    """
    fields = read_fields(query)
    typed, untyped = ({name: fields[name] for name in names if name in fields} for names in ("env", "ic"))
    if typed and untyped:
        raise InvalidNotice(
            f"the event tells both {' '.join(typed)} and {' '.join(untyped)}. Tell a type, e, or totals, i and c."
        )
    if not typed:
        interaction, conversion = (finite_number(untyped.get(name)) or 0.0 for name in "ic")
        return Told(interaction=min(interaction, _MOST_INTERACTIONS), conversion=min(conversion, _MOST_CONVERSIONS))
    value = None if "v" not in typed else _read(float, "value v", typed["v"])
    return Told(cast(Event, typed.get("e", "")), _read(int, "count n", typed.get("n", "1")), value)


def _read(kind: type[_Number], name: str, text: str) -> _Number:
    try:
        return kind(text)
    except ValueError as error:
        what = "whole number" if kind is int else "number"
        raise InvalidNotice(f"the event's {name} is {text[:40]!r}. Tell a {what}, or leave it out.") from error


class ToldEvents:
    """Remembers which types of event were told of a bid, so that each is booked once.

    The memory of a campaign's day is dropped once its bids are no longer listened for. Beyond `most` bids of one day
    the bid that was told of first is forgotten.

    Args:
        listened: how long after its money has run out a bid is listened for, seconds.
        most: bids of one day that are remembered.
    """

    def __init__(self, listened: float, most: int = MOST_BIDS) -> None:
        self._listened, self._most = listened, most
        self._days: dict[str, dict[bytes, int]] = {}  # by account: bits of the types told, by bid
        self._until: dict[str, float] = {}  # by account, seconds since 1970

    def __len__(self) -> int:
        """Bids that are remembered."""
        return sum(map(len, self._days.values()))

    def listens(self, ticket: Ticket, now: float) -> bool:
        """Whether events of a bid are still taken."""
        return now <= ticket.expires + self._listened

    def first(self, ticket: Ticket, event: Event | None) -> bool:
        """Whether this type is told of the bid for the first time; from now on it is not."""
        account, key, bit = ticket.account, bytes.fromhex(ticket.key), _BITS[event]
        day = self._days.setdefault(account, {})
        self._until[account] = max(self._until.get(account, 0.0), ticket.expires + self._listened)
        before = day.get(key, 0)
        if before & bit:
            return False
        if not before and len(day) >= self._most:
            del day[next(iter(day))]
        day[key] = before | bit
        return True

    def forget(self, now: float) -> None:
        """Drop the days whose bids are no longer listened for."""
        for account in [account for account, until in self._until.items() if until < now]:
            del self._days[account], self._until[account]
