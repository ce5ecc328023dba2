"""One play of the day: the clock goes on, faults come and go, an operator orders, and the guard looks on.

The bidder is in process and its clock is moved by hand: every part of it is the one that a server runs, HTTP aside.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bidpilot.bidding.campaign.batch import CampaignBatch
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.campaign.scalarisation import utility
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import DAY, ManualClock
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.guardrails import GuardrailConfig
from bidpilot.serving.incidents.incident import Incident
from bidpilot.serving.ledger.store import MICRO, AccountState
from tests.game_day.day import Auctions
from tests.game_day.disk import Disk
from tests.game_day.exchange import Books, Exchanges
from tests.game_day.faults import Fault, FullDisk
from tests.game_day.guard import Guard, NoGuard

CAMPAIGN = "default"
START = 20_454 * DAY  # a Thursday
_LOOKS = 12  # ticks of the bidder in a slot: every two and a half minutes
KILLED = 9, 10  # slots: from the middle of the one to the beginning of the other the operator stops all bidding
CUT = 40, 0.97  # slot at whose beginning the operator cuts the budget, and to which share


@dataclass(frozen=True)
class Played:
    """What one play came to."""

    name: str
    books: Books
    budget: float  # currency, before the cut
    value: float  # u of people's exposures
    account: AccountState  # the ledger's word at the end of the day
    worst: int  # micro-units settled, held for wins and owed beyond the budget in force, at most; below 0: left
    disobeyed: tuple[str, ...]  # orders that were not carried out
    unanswered: int  # notices that were never booked
    incidents: tuple[Incident, ...]
    events: dict[str, int]  # what the bidder's own guardrails told, by cause


class _Operator:
    """Stops all bidding, lets it go on, and cuts the budget; keeps what was not obeyed."""

    def __init__(self, bidder: Bidder) -> None:
        self.bidder, self.disobeyed = bidder, list[str]()
        self.budget = bidder.served[CAMPAIGN].campaign.budget
        self._bids = 0

    def kill(self, on: bool, books: Books) -> None:
        """Order the kill switch on, or off."""
        self.bidder.kill(on, "operator")
        if on:
            self._bids = int(books.bids.sum())
        elif int(books.bids.sum()) != self._bids:
            self.disobeyed.append(f"{int(books.bids.sum()) - self._bids} bids while they were stopped")

    def cut(self) -> None:
        """Order a smaller budget."""
        served = self.bidder.served[CAMPAIGN]
        self.budget = round(CUT[1] * self.budget, 2)
        campaign = served.campaign.model_copy(update={"budget": self.budget})
        self.bidder.put(served.model_copy(update={"campaign": campaign}), "operator", ("campaign.budget",))
        if self.bidder.days[CAMPAIGN].served.campaign.budget != self.budget:
            self.disobeyed.append("the budget was not cut at once")


def walk(
    name: str,
    bundle: Path,
    state: Path,
    auctions: Auctions,
    faults: tuple[Fault, ...],
    guard_of: Callable[[Bidder], Guard] | None,
    slots: int = 48,
    start: float = START,
    orders: bool = True,
) -> Played:
    """Play a day to its end; without a guard where None; `orders`: with those of the operator."""
    clock = ManualClock(start)
    patient = GuardrailConfig(patience=60.0)  # a busy machine is no fault of the policy
    off = state.with_suffix(".off.json")
    off.write_text('{"acts": false}')
    responses = off if guard_of is None else None
    with open_bidder(ServeConfig(bundle=bundle, state=state, guardrails=patient, responses=responses), clock) as bidder:
        guard: Guard = NoGuard() if guard_of is None else guard_of(bidder)
        operator, disk = _Operator(bidder), Disk(bidder)
        exchanges = Exchanges(bidder, auctions, faults, slots)
        full = [fault for fault in faults if isinstance(fault, FullDisk)]
        worst = -round(operator.budget * MICRO)
        for slot in range(slots):
            for look in range(_LOOKS):
                clock.move(start + (slot + look / _LOOKS) * DAY / slots)
                bidder.tick()
                guard.tick(clock())
                if orders:
                    _order(operator, exchanges.books, slot, look)
                # it fills up while bids are under way, whose notices must come again
                (disk.fill if any(f.first <= slot <= f.last for f in full) else disk.empty)()
                exchanges.play(slot, look / _LOOKS, (look + 1) / _LOOKS)
            worst = max(worst, _beyond(bidder, operator.budget))
        disk.empty()
        exchanges.send_again()
        clock.move(start + DAY - 1.0)
        bidder.tick()
        account = _account(bidder)
        clock.move(start + DAY + 1.0)
        bidder.tick()
        guard.tick(clock())
        value = bidder.bundle.manifest.plan.ideal, bidder.served[CAMPAIGN].campaign
        return Played(
            name=name,
            books=exchanges.books,
            budget=bidder.bundle.manifest.campaign.budget,
            value=_utility(exchanges.books, *value),
            account=account,
            worst=max(worst, account.settled + account.won + account.debt - round(operator.budget * MICRO)),
            disobeyed=(*operator.disobeyed, *_not_durable(bidder)),
            unanswered=exchanges.unanswered,
            incidents=tuple(guard.incidents),
            events={cause.value: count for cause, count in bidder.event_counts().items()},
        )


def _order(operator: _Operator, books: Books, slot: int, look: int) -> None:
    if (slot, look) == (KILLED[0], _LOOKS // 2):
        operator.kill(True, books)
    elif (slot, look) == (KILLED[1], 0):
        operator.kill(False, books)
    elif (slot, look) == (CUT[0], 0):
        operator.cut()


def _account(bidder: Bidder) -> AccountState:
    """The running day's account, as the ledger has it."""
    found = bidder.desk.keeper.store.state(bidder.days[CAMPAIGN].account)
    assert found is not None
    return found


def _beyond(bidder: Bidder, budget: float) -> int:
    """What is settled, held for wins and owed beyond the budget, micro-units; below 0 where some is left."""
    account = _account(bidder)
    return account.settled + account.won + account.debt - round(budget * MICRO)


def _not_durable(bidder: Bidder) -> list[str]:
    """Orders that are still not written, after what is left of the bidder's patience."""
    for _ in range(60):
        if not bidder.control.orders.pending:
            return []
        time.sleep(0.05)
        bidder.control.orders.tend()
    return [f"{pending.name} is not durable" for pending in bidder.control.orders.pending]


def _utility(books: Books, ideal: tuple[float, float, float], campaign: Campaign) -> float:
    """The campaign's utility of the day."""
    row = CampaignBatch.repeat(campaign, 1)
    return float(utility(books.value.sum(axis=0)[None, :], np.array([ideal]), row.preference, row.kind)[0])
