"""What the bidders of one account tell each other, so that each decides from what all have seen.

At the end of a slot each tells its own counts in the ledger's store, waits a moment, and reads what the others tell:
whoever has told is alive. All sum the same facts, and so decide the same. Shares of the traffic are measured, not
given.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.day.slot_totals import SlotTotals
from bidpilot.bidding.errors import InvalidReport
from bidpilot.serving.agenda import Agenda
from bidpilot.serving.desk import Desk
from bidpilot.serving.guardrails import Cause, EventLog
from bidpilot.serving.ledger.store import MICRO, AccountState, LedgerStore
from bidpilot.serving.report import Report, pack, unpack
from bidpilot.serving.seen import Seen, added, of_all, pooled

PAUSE = 0.25
"""Seconds after a slot's end at which what all have told is read."""
PATIENCE = 2.0
"""Seconds after it until which a bidder that told of the slot before, and the store, are waited for."""
_AGAIN = 0.2  # seconds between two looks
_LOOK = 0.01  # seconds between two looks whether the store has answered
_LEAST_PART = 0.25  # of a slot's limit that a bidder of little traffic has
_KEPT = 3  # times that a report which comes late is looked for, at later slots that the store answers at
_WEIGHT = 20.0  # auctions that the share of before counts for
_SOURCE_WEIGHT = 5.0  # requests of a source that the share of all sources counts for

_Told = dict[int, dict[str, bytes]]
_Answer = tuple[_Told, AccountState | None]


@dataclass(frozen=True)
class Gathered:
    """What is known at the end of a slot. Money in currency."""

    seen: Seen  # of all bidders
    outstanding: NDArray[np.float64]  # (T,) bids of each slot that may still be billed
    lapsed: float = 0.0  # bids of others that ran out
    late: list[tuple[int, SlotTotals]] = field(default_factory=list)  # of slots before, from others
    settled: float | None = None  # what the account has settled; None where slots tell it


@dataclass
class _Recent:
    """A slot of which more may be told."""

    own: Seen
    used: SlotTotals  # what the pilot was told
    taken: set[str]  # whose reports are in it
    looked: int = 0  # how often it was asked for and the store has answered


class Sharing:
    """One bidder among those of an account, on one day.

    Where the store is not shared, this one's counts are taken for its even part of `bidders`.

    Args:
        account: whose day it is.
        desk: the bidder's; `bidders` are expected to share the traffic evenly until it is measured.
        events: where interventions are counted.
    """

    def __init__(self, account: str, desk: Desk, events: EventLog) -> None:
        self._account, self._events = account, events
        self._bidder, self._keeper, self._clock = desk.process, desk.keeper, desk.clock
        self._segments, self._sources, self._slots = len(desk.forecast.segments), desk.sources, desk.forecast.slots
        self.shared = desk.keeper.store.shared
        self.share = 1.0 / desk.bidders
        """Of the traffic that this bidder sees, as measured last."""
        self.by_source: NDArray[np.float64] = np.full(self._sources, self.share)
        """The same by source (C,)."""
        self.others: set[str] = set()
        """Who else told of the last slot."""
        self._recent: dict[int, _Recent] = {}
        self._untold: dict[int, bytes] = {}  # reports that the store has not taken
        self._late: dict[int, list[SlotTotals]] = {}
        self._lapsed = 0
        self._short = False  # a bidder has gone, and what it won last nobody told

    @property
    def factor(self) -> float:
        """What this one's own late news are multiplied by: of others' own they tell themselves."""
        return 1.0 if self.shared else 1.0 / self.share

    @property
    def part(self) -> float:
        """Of a limit for all bidders, that of this one: enough to go on with where another one goes."""
        return max(self.share, _LEAST_PART) if self.shared else self.share

    def late(self, slot: int, own: SlotTotals) -> None:
        """This bidder is told only now of an earlier slot: its next report says so."""
        if self.shared:
            self._late.setdefault(slot, []).append(own)

    def lapse(self, amount: int) -> None:
        """A bid ran out here, micro-units: the next report says so."""
        self._lapsed += amount

    # --- the end of a slot -----------------------------------------------------------------------

    def gather(
        self, slot: int, own: Seen, outstanding: Mapping[int, int], begun: float, agenda: Agenda
    ) -> Generator[float | None, None, Gathered]:
        """Tell this bidder's own of a slot, and learn what all have seen of it; `begun` is when the next slot began.

        Where the store is away for longer than `PATIENCE`, this one's counts stand for all by the share measured last;
        where another bidder has not told by then, it is gone, and its part of the slot with it.
        """
        held = {s: amount for s, amount in outstanding.items() if amount}
        if not self.shared:
            return self._alone(own, held)
        late = {s: added(parts) for s, parts in self._late.items()}
        self._untold[slot] = pack(Report(own, held, self._lapsed, late))
        self._late, self._lapsed = {}, 0
        self._tell()
        yield begun + PAUSE
        reports: dict[int, dict[str, Report]] = {}
        state: AccountState | None = None
        reached = False
        while True:
            answers = self._ask(slot)
            while not answers and not agenda.hurried:
                yield self._clock() + _LOOK
            away = not answers or answers[0] is None
            if answers and answers[0] is not None:
                told, state = answers[0]
                reports, reached = self._read(told), True
            waited = self._clock() >= begun + PATIENCE or agenda.hurried
            if waited or (reached and self.others <= reports[slot].keys()):
                break
            # a store that is away may take long to say so: it is asked once more
            yield begun + PATIENCE if away else self._clock() + _AGAIN
        if not reached:
            self._recent[slot] = _Recent(own, of_all(own.totals, 1.0 / self.share), {self._bidder})
            return self._alone(own, held)
        return self._together(slot, own, held, reports, state)

    def _alone(self, own: Seen, held: dict[int, int]) -> Gathered:
        factor = 1.0 / self.share
        return Gathered(own.times(factor), self.by_slot([held]) * factor)

    def _together(
        self,
        slot: int,
        own: Seen,
        held: dict[int, int],
        reports: dict[int, dict[str, Report]],
        state: AccountState | None,
    ) -> Gathered:
        told = reports[slot]
        seen = pooled([own, *(report.seen for report in told.values())])
        settled = state.settled / MICRO if self._short and state is not None else None
        self._short = False
        if gone := self.others - told.keys():
            self._short = True
            self._events.record(Cause.bidder_gone, f"{len(gone)} told nothing of slot {slot}")
        self.others = set(told)
        self._measure(own, seen)
        late, lapsed = self._news(slot, reports)
        self._recent[slot] = _Recent(own, seen.totals, {self._bidder, *told})
        for recent in self._recent.values():
            recent.looked += 1
        self._recent = {s: recent for s, recent in self._recent.items() if recent.looked <= _KEPT}
        outstanding = self.by_slot([held, *(report.outstanding for report in told.values())])
        return Gathered(seen, outstanding, lapsed / MICRO, late, settled)

    def _news(self, slot: int, reports: dict[int, dict[str, Report]]) -> tuple[list[tuple[int, SlotTotals]], int]:
        """What reports that had not been read before tell of slots before `slot`, and what ran out."""
        late: list[tuple[int, SlotTotals]] = []
        lapsed = 0
        for s, told in reports.items():
            before = self._recent.get(s)
            fresh = {name: r for name, r in told.items() if before is None or name not in before.taken}
            for report in fresh.values():
                late += report.late.items()
                lapsed += report.lapsed
            if s != slot and before is not None and fresh:
                now = added([before.own.totals, *(report.seen.totals for report in told.values())])
                late.append((s, added([now, of_all(before.used, -1.0)])))
                before.used, before.taken = now, before.taken | fresh.keys()
        return late, lapsed

    def _measure(self, own: Seen, all_: Seen) -> None:
        before = self.share
        self.share = (own.auctions + _WEIGHT * before) / (all_.auctions + _WEIGHT)
        mine, whole = own.totals.source_auctions[0], all_.totals.source_auctions[0]
        self.by_source = (mine + _SOURCE_WEIGHT * self.share) / (whole + _SOURCE_WEIGHT)

    def by_slot(self, held: Sequence[Mapping[int, int]]) -> NDArray[np.float64]:
        """(T,) what is held for bids of each slot, currency, summed over parts in micro-units."""
        found = np.zeros(self._slots)
        for part in held:
            for slot, amount in part.items():
                if 0 <= slot < self._slots:
                    found[slot] += amount / MICRO
        return found

    # --- the store -------------------------------------------------------------------------------

    def _tell(self) -> None:
        """Tell what the store has not taken yet."""
        account, bidder = self._account, self._bidder
        for slot, report in list(self._untold.items()):

            def tell(store: LedgerStore, slot: int = slot, report: bytes = report) -> bool:
                store.tell(account, slot, bidder, report)
                return True

            def told(done: bool | None, slot: int = slot) -> None:
                if done:
                    self._untold.pop(slot, None)

            self._keeper.run(tell, told)

    def _ask(self, slot: int) -> list[_Answer | None]:
        """Ask for what all tell; the list gets the answer when it comes, None where the store is away."""
        account, slots = self._account, sorted({slot, *self._recent})
        answers: list[_Answer | None] = []

        def ask(store: LedgerStore) -> _Answer:
            return {s: store.told(account, s) for s in slots}, store.state(account)

        self._keeper.run(ask, answers.append)
        return answers

    def _read(self, told: _Told) -> dict[int, dict[str, Report]]:
        """The reports of the others, by slot and bidder."""
        found: dict[int, dict[str, Report]] = {}
        for slot, reports in told.items():
            found[slot] = {}
            for bidder, raw in reports.items():
                if bidder == self._bidder:
                    continue
                try:
                    found[slot][bidder] = unpack(raw, self._segments, self._sources)
                except InvalidReport as error:
                    self._events.record(Cause.report_unread, str(error))
        return found

    # --- a day that is joined under way ----------------------------------------------------------

    def history(self, slots: int) -> tuple[dict[int, Seen], list[tuple[int, SlotTotals]]]:
        """What was told of the first `slots` slots, and late; nothing where the store cannot be asked at once."""
        account = self._account
        if not self.shared or not slots:
            return {}, []
        told = self._keeper.at_once(lambda store: {s: store.told(account, s) for s in range(slots)})
        reports = {} if told is None else self._read(told)
        seen = {s: pooled([r.seen for r in found.values()]) for s, found in reports.items() if found}
        late = [item for found in reports.values() for report in found.values() for item in report.late.items()]
        self.others = set(reports.get(slots - 1, ()))
        self.share = min(self.share, 1.0 / (len(self.others) + 1))
        self.by_source[:] = self.share
        return seen, late
