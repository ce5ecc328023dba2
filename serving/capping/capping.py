"""Holds campaigns' frequency caps: counts exposures when they are billed, here and at all bidders of the store.

Where as many exposures are remembered as there is room for, campaigns with caps do not bid until some have run out.
A bid that is outstanding is not an exposure yet: somebody who is offered several times at once may see as many more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property

from bidpilot.serving.capping.keys import Keys
from bidpilot.serving.capping.table import Table
from bidpilot.serving.ledger.keeper import Keeper
from bidpilot.serving.ledger.store import SLICE, LedgerStore, Shown
from bidpilot.serving.notices import Ticket
from bidpilot.serving.served import ServedCampaign

EVERY = 0.25
"""Seconds between two looks at what other bidders have shown."""

_ALONE = 10.0  # seconds between two looks where there are none: what has run out is erased
_MOST_WAITING = 65_536  # exposures that the store has not taken yet; beyond, nothing that is capped is bid on


class Capping:
    """The caps of one bidder's campaigns.

    Args:
        keeper: talks to the store.
        served: campaigns by name, as they stand.
        process: this one among those that share the store.
        on_full: hears once a slot that campaigns with caps do not bid, as no more exposures can be remembered.
    """

    def __init__(
        self,
        keeper: Keeper,
        served: Callable[[], Mapping[str, ServedCampaign]],
        process: str,
        table: Table | None = None,
        on_full: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._on_full, self._told_in = on_full, -1
        self._keeper, self._served, self._process = keeper, served, process
        self._keys, self._table = Keys(keeper), table or Table()
        self._version = 0  # all that was shown up to this one is known
        self._loaded = self._looking = self._telling = False
        self._look_at = 0.0
        self._waiting: list[Shown] = []

    @cached_property
    def _every(self) -> float:
        return EVERY if self._keeper.store.shared else _ALONE

    @property
    def full(self) -> bool:
        """Whether there is no room for what would be shown next: campaigns with caps do not bid then."""
        return self._table.full or len(self._waiting) >= _MOST_WAITING

    @property
    def remembered(self) -> int:
        """Exposures that are remembered."""
        return len(self._table)

    def tend(self, now: float, turn: int = 0) -> None:
        """Tell the store what was shown, hear what others have, erase what has run out. Call it often.

        `turn`: the slot, by a number of its own.
        """
        if not self._loaded and not any(served.caps for served in self._served().values()):
            return  # nothing is asked of the store before a campaign has a cap
        self._keys.tend(now)
        self._table.erase(now)
        self._tell()
        if self.full and turn != self._told_in:
            self._told_in = turn
            self._on_full(
                f"{self.remembered} exposures are remembered for frequency caps, {len(self._waiting)} wait for the "
                "store, and there is no room for more: campaigns with caps do not bid until some have run out. Shorten "
                "the hours of caps, or see whether the store answers."
            )
        if not self._looking and now >= self._look_at:
            self._look(now)

    def marks(self, id: str, now: float) -> tuple[int, ...]:
        """What a person is known by; empty where nothing can be counted yet."""
        return self._keys.marks(id, now) if self._loaded else ()

    def reached(
        self,
        served: ServedCampaign,
        marks: tuple[int, ...],
        now: float,
        creative: int | None = None,
        more: float = 1.0,
    ) -> bool:
        """Whether so many exposures `more` of a campaign, or of one of its creatives, are beyond what a cap allows."""
        per = "campaign" if creative is None else "creative"
        return any(
            cap.per == per and self._table.count(marks, served.name, now - cap.seconds, creative) + more > cap.most
            for cap in served.caps
        )

    def billed(self, ticket: Ticket, now: float) -> None:
        """An exposure to somebody is billed: it counts from now on."""
        name = ticket.account.partition("@")[0]
        served = self._served().get(name)
        if not ticket.user or served is None or not served.caps:
            return
        until = now + max(cap.seconds for cap in served.caps)
        shown = Shown(ticket.user, name, ticket.creative, now, until, self._process, count=ticket.count)
        self._table.add(shown)
        if len(self._waiting) < _MOST_WAITING:
            self._waiting.append(shown)

    # --- the store -------------------------------------------------------------------------------

    def _tell(self) -> None:
        if not self._waiting or self._telling:
            return
        self._telling, batch = True, self._waiting[:SLICE]
        self._waiting = self._waiting[SLICE:]

        def tell(store: LedgerStore) -> bool:
            store.show(batch)
            return True

        def told(done: bool | None) -> None:
            self._telling = False
            if not done:
                self._waiting = [*batch, *self._waiting][:_MOST_WAITING]

        self._keeper.run(tell, told)

    def _look(self, now: float) -> None:
        self._looking, self._look_at, since = True, now + self._every, self._version

        def looked(found: list[Shown] | None) -> None:
            self._looking = False
            if found is None:
                return
            for shown in found:
                if shown.by != self._process:
                    self._table.add(shown)
            if found:
                self._version = found[-1].version  # below the one before where the store was emptied
            if len(found) < SLICE:
                self._loaded = True
            else:
                self._look_at = 0.0  # there is more: with the next tick, so that bids come between

        self._keeper.run(lambda store: store.shown(since), looked)
