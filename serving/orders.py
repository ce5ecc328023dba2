"""Orders of operators: in force here at once, then written until they are durable, and read from other bidders.

Whoever gives an order has already carried it out in memory. It is lost only by a restart before it is durable, and who
gave it is told so long as it is not. Orders of one name replace each other; the last is
written.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bidpilot.serving.guardrails import Cause, EventLog
from bidpilot.serving.ledger.keeper import Keeper
from bidpilot.serving.ledger.store import LedgerStore, Order

EVERY = 0.25
"""Seconds between two looks at what others have ordered."""

_FIRST, _LONGEST = 0.05, 1.0  # seconds until an order that could not be written is tried again
_PENDING = 1 << 60  # and above: versions of what is not written yet, later than all that is


@dataclass
class Pending:
    """An order that is in force and may not be durable yet."""

    name: str
    text: str
    at: float  # when it was given, seconds since 1970
    turn: int  # of the orders given here
    version: int | None = None  # of the store, once it is durable
    heard: list[Callable[[], None]] = field(default_factory=list)
    replaced: list[Pending] = field(default_factory=list)  # orders of its name that it took the place of, unwritten

    def when_durable(self, call: Callable[[], None]) -> None:
        """Call once it is durable: at once where it is."""
        if self.version is None:
            self.heard.append(call)
        else:
            call()


_Written = tuple[list[Order], list[tuple[int, bool]]]  # what others ordered; versions, and whether theirs hold


class Orders:
    """The orders of one bidder's store, and those that are on their way there.

    Args:
        keeper: talks to the store.
        bidder: this bidder's name, its own among those of the store.
        obey: carries out what has changed by others, given the names of orders.
        believed: what this bidder tells the others of itself, JSON.
        events: where orders that failed are counted.
        given_at: reads when an order was given from its text, seconds since 1970.
        monotonic: seconds, by which is waited.
    """

    def __init__(
        self,
        keeper: Keeper,
        bidder: str,
        obey: Callable[[set[str]], None],
        believed: Callable[[], str],
        events: EventLog,
        given_at: Callable[[str], float],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.keeper, self.bidder, self._obey, self._believed = keeper, bidder, obey, believed
        self._events, self._given_at, self._monotonic = events, given_at, monotonic
        self.shared = keeper.store.shared
        self.version = 0  # all orders up to this one are known and obeyed
        self._known: dict[str, Order] = {}
        self._waiting: dict[str, Pending] = {}  # by name, oldest first
        self._turn = 0
        self._writing = self._looking = False
        self._again, self._look_at, self._rest = -math.inf, -math.inf, 0.0

    @property
    def pending(self) -> list[Pending]:
        """Orders that are not durable yet, oldest first."""
        return list(self._waiting.values())

    @property
    def names(self) -> set[str]:
        """The names of all orders."""
        return {*self._known, *self._waiting}

    def get(self, name: str) -> Order | None:
        """The last order of a name; None where there is none."""
        waiting = self._waiting.get(name)
        return self._known.get(name) if waiting is None else Order(_PENDING + waiting.turn, name, waiting.text)

    def load(self) -> None:
        """Read what is ordered, in the caller's thread: before the keeper has one.

        Raises:
            LedgerUnavailable: the store does not answer.
        """
        store = self.keeper.store
        if self.shared:  # whoever orders from now on waits for this bidder too
            store.acknowledge(self.bidder, 0, self._believed())
        self._take(store.orders(0))

    def give(self, orders: Mapping[str, str]) -> list[Pending]:
        """Write orders (texts by name) that are already in force."""
        made = []
        for name, text in orders.items():
            before = self._waiting.pop(name, None)
            self._turn += 1
            one = Pending(name, text, self._given_at(text), self._turn)
            if before is not None:
                one.replaced = [*before.replaced, before]
            self._waiting[name] = one
            made.append(one)
        self._tend_writing()
        return made

    def tend(self) -> None:
        """Write what waits, look at what others have ordered. Call it often."""
        self._tend_writing()
        if self.shared and not self._looking and self._monotonic() >= self._look_at:
            self._look()

    def farewell(self) -> None:
        """Try once more to write what waits, and tell the others that nobody need wait for this bidder."""
        self._again = -math.inf
        self._tend_writing()
        if self.shared:
            self.keeper.run(lambda store: store.acknowledge(self.bidder, -1, ""), lambda _: None)

    # --- writing ---------------------------------------------------------------------------------

    def _tend_writing(self) -> None:
        if not self._waiting or self._writing or self._monotonic() < self._again:
            return
        self._writing = True
        batch, since, known, given_at = list(self._waiting.values()), self.version, dict(self._known), self._given_at

        def write(store: LedgerStore) -> _Written:
            found = store.orders(since)
            theirs = known | {order.name: order for order in found}
            become = []
            for one in batch:
                other = theirs.get(one.name)
                # somebody may have ordered otherwise since, and a look may have brought that already
                if other is not None and given_at(other.text) > one.at:
                    become.append((other.version, True))
                else:
                    become.append((store.order(one.name, one.text), False))
            return found, become

        self.keeper.run(write, lambda answer: self._written(batch, answer))

    def _written(self, batch: Sequence[Pending], answer: _Written | None) -> None:
        self._writing = False
        if answer is None:
            if not self._rest:
                self._events.record(Cause.order_late, f"{len(batch)} orders are in force and not durable yet")
            self._rest = min(max(2 * self._rest, _FIRST), _LONGEST)
            self._again = self._monotonic() + self._rest
            return
        self._rest, self._again = 0.0, -math.inf
        found, become = answer
        changed = self._take(found) if self.shared else set()
        for one, (version, given_up) in zip(batch, become, strict=True):
            if self._waiting.get(one.name) is one:
                del self._waiting[one.name]
                if given_up:
                    self._events.record(Cause.order_late, f"{one.name}: a later order of another bidder holds")
                    changed.add(one.name)
            if not given_up:
                self._known[one.name] = Order(version, one.name, one.text)
            for replaced in (one, *one.replaced):
                replaced.version = version
        if not self.shared:
            self.version = max(self.version, *(version for version, _ in become))
        if changed:
            self._obey(changed)
        if self.shared:
            self._look()  # what was written becomes known with all that others wrote in between
        for one in (each for whole in batch for each in (*whole.replaced, whole)):
            heard, one.heard = one.heard, []
            for call in heard:
                call()

    # --- looking ---------------------------------------------------------------------------------

    def _look(self) -> None:
        if self._looking:
            self._look_at = -math.inf  # once more when it is back
            return
        self._looking = True
        self._look_at = self._monotonic() + EVERY
        bidder, version, what = self.bidder, self.version, self._believed()

        def look(store: LedgerStore) -> list[Order]:
            store.acknowledge(bidder, version, what)
            return store.orders(version)

        self.keeper.run(look, self._looked)

    def _looked(self, found: list[Order] | None) -> None:
        self._looking = False
        if found:
            changed = self._take(found)
            if changed:
                self._obey(changed)
            self._look()  # say that it is obeyed

    def _take(self, found: Sequence[Order]) -> set[str]:
        """Know these orders; the names of those that are news. What waits to be written here still holds here."""
        changed = set()
        for order in found:
            before = self._known.get(order.name)
            self._known[order.name] = order
            if order.name not in self._waiting and (before is None or before.text != order.text):
                changed.add(order.name)
        if found:
            self.version = found[-1].version
        return changed
