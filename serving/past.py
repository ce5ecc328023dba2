"""What a day that is joined under way knows of its slots before: what bidders told, or was stored, or the forecast."""

from __future__ import annotations

from bidpilot.bidding.day.slot_totals import SlotTotals
from bidpilot.serving.collector import SlotCollector
from bidpilot.serving.desk import Desk
from bidpilot.serving.pilots import Pilots
from bidpilot.serving.sharing import Sharing


class Past:
    """The first `slots` slots of an account.

    Raises:
        LedgerUnavailable: the stored slots cannot be read.
    """

    def __init__(self, desk: Desk, account: str, sharing: Sharing, slots: int) -> None:
        like = SlotTotals.zeros(1, len(desk.forecast.segments), desk.sources)
        self._stored = desk.state.slots(account, like) if slots else {}
        self._told, self.late = sharing.history(slots)
        self.missing = sum(slot not in self._told and slot not in self._stored for slot in range(slots))
        """Slots that nobody has told of."""

    def totals(self, slot: int, collector: SlotCollector, pilots: Pilots) -> SlotTotals:
        """What a slot brought, for which the collector has just begun; the pilots hear that it is played again."""
        pilots.again(seen=slot in self._told or slot in self._stored)
        if slot in self._told:
            return collector.totals_of(self._told[slot])
        return self._stored.get(slot) or collector.totals(unwatched=1.0)
