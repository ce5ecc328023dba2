"""The running day of every campaign, and the wallets of days gone by whose bids may still be billed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from bidpilot.agents.acting.agent import Agent
from bidpilot.serving.calendar import Calendar
from bidpilot.serving.campaign_day import CampaignDay
from bidpilot.serving.desk import Desk
from bidpilot.serving.guardrails import EventLog
from bidpilot.serving.ledger.reservations import Reservation
from bidpilot.serving.ledger.wallet import Wallet
from bidpilot.serving.served import ServedCampaign

OLD_DAYS = 3
"""Days gone by whose bids are still listened for."""


class Days:
    """Begins the day of each campaign, goes on from slot to slot and from day to day.

    Args:
        desk: what the campaigns share.
        calendar: days and slots.
        agent, shadow: who decides, and who decides beside it without bidding.
        expired: hears of reservations that ran out, with what was settled for them elsewhere, micro-units.
    """

    def __init__(
        self,
        desk: Desk,
        calendar: Calendar,
        agent: Agent,
        shadow: Agent | None,
        expired: Callable[[Reservation, int], None],
    ) -> None:
        self.desk, self.calendar = desk, calendar
        self._agent, self.shadow, self._expired = agent, shadow, expired
        self.moment = calendar.at(desk.clock())
        self.running: dict[str, CampaignDay] = {}  # by campaign
        self.events: dict[str, EventLog] = {}  # by campaign
        self._old: dict[str, tuple[int, Wallet]] = {}  # by account, with the day that came after

    def begin(self, served: ServedCampaign) -> None:
        """Begin a campaign's day in the slot that is under way."""
        events = self.events.setdefault(served.name, EventLog(self.desk.clock, served.name))
        day = CampaignDay(self.desk, served, self.moment, self._agent, self.shadow, events)
        day.wallet.on_expired = self._expired
        self.running[served.name] = day

    def tend(self, now: float) -> None:
        """Let reservations run out, keep leases alive, forget what is too old."""
        for day in self.running.values():
            day.wallet.tend(now)
        for account, (first, wallet) in list(self._old.items()):
            wallet.tend(now)
            if self.moment.day - first > OLD_DAYS:
                del self._old[account]

    def advance(self, now: float, served: Mapping[str, ServedCampaign]) -> bool:
        """Go on to the slot of `now`, with campaigns as they stand in `served`; whether a new day has begun."""
        target = self.calendar.at(now)
        while self.moment.end <= now and self.moment.day == target.day:
            following = self.calendar.at(self.moment.end)
            for day in self.running.values():
                day.close_slot(following)
            self.moment = following
        if self.moment.day == target.day:
            return False
        over = list(self.running.items())
        self._learn(day for _, day in over)
        self.moment = target
        for name, day in over:
            self._old[day.account] = (target.day, day.wallet)
            day.close()
            del self.running[name]
            if name in served:  # else it was removed in the course of the day
                self.begin(served[name])
        return True

    def _learn(self, over: Iterable[CampaignDay]) -> None:
        """Keep what the days' filters of traffic have found out."""
        for day in (over := list(over)):
            day.end()
        if self.desk.book is not None:
            self.desk.book.learn([day.filter for day in over if day.filter is not None])

    def swap(self, desk: Desk, agent: Agent) -> None:
        """Begin every day from now on at another desk; one that runs goes on until its successors are given to it."""
        self.desk, self._agent = desk, agent

    def today(self, account: str) -> CampaignDay | None:
        """The running day of an account; None where its day is over."""
        day = self.running.get(account.partition("@")[0])
        return day if day is not None and day.account == account else None

    def wallet(self, account: str) -> Wallet | None:
        """The money of an account; None where it is not kept here any more."""
        day = self.today(account)
        if day is not None:
            return day.wallet
        old = self._old.get(account)
        return None if old is None else old[1]

    def accounts(self, days: int) -> dict[str, list[str]]:
        """The accounts of each campaign's running day and those before, `days` in all."""
        dates = [self.moment.date_before(k) for k in range(days)]
        return {name: [f"{name}@{day}" for day in dates] for name in self.running}

    def close(self) -> None:
        """Give unused money back and let the policies' threads end."""
        for day in self.running.values():
            day.close()
