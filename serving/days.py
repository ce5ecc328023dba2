"""The running day of every campaign, and the wallets of days gone by whose bids may still be billed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from bidpilot.agents.acting.agent import Agent
from bidpilot.bidding.errors import InvalidZone
from bidpilot.bidding.traffic.filter import TrafficFilter
from bidpilot.bidding.zone import zone_of
from bidpilot.serving.agenda import Agenda, Steps
from bidpilot.serving.calendar import DAY, Calendar, Moment
from bidpilot.serving.campaign_day import CampaignDay
from bidpilot.serving.desk import Desk
from bidpilot.serving.guardrails import LOGGER, Cause, EventLog
from bidpilot.serving.ledger.reservations import Reservation
from bidpilot.serving.ledger.wallet import Wallet
from bidpilot.serving.pilots import PilotMaker, Pilots
from bidpilot.serving.served import ServedCampaign
from bidpilot.serving.tomorrow import Tomorrow
from bidpilot.serving.wall import Wall

OLD_DAYS = 3
"""Days gone by whose bids are still listened for."""
_FAILED, _BEGINS = "campaign_failed", "day_begins"
_KEPT = 5.0  # seconds between two times that gates are kept: a kill forgets no more of them
_LOOK = 0.02  # seconds between two looks whether all campaigns have ended their day


class Days:
    """Begins the day of each campaign, goes on from slot to slot and from day to day.

    When a slot or a day begins all campaigns of a time zone change over at once. What takes time then is on the agenda,
    campaign by campaign: each holds its rule of before until its pilot has decided. A campaign that fails stops alone,
    and is begun again at the next slot.

    Args:
        desk: what the campaigns share.
        calendar: days and slots of campaigns that name no time zone.
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
        self.desk, self.agenda = desk, Agenda()
        self.paced = False
        """Whether somebody makes the agenda's steps one by one; else they are made as soon as they are due."""
        self.turns = 0
        """Slots that have begun since the start, of any time zone."""
        self.running: dict[str, CampaignDay] = {}  # by campaign
        self.events: dict[str, EventLog] = {}  # by campaign
        self.failed: set[str] = set()  # campaigns
        self.shadow, self._expired = shadow, expired
        self._maker = PilotMaker(desk, agent, shadow)
        self._own = Wall(calendar, desk.clock(), self._new_tomorrow())
        self._walls: dict[str, Wall] = {desk.timezone: self._own}  # by time zone
        self._wall_of: dict[str, Wall] = {}  # by campaign
        self.ends = self._own.moment.end
        """When the next slot begins, of any time zone."""
        self._kept_until = desk.clock()  # from when on gates are kept again
        self._old: dict[str, tuple[float, Wallet]] = {}  # by account, with when the next day began

    @property
    def moment(self) -> Moment:
        """The slot under way of campaigns that name no time zone."""
        return self._own.moment

    def moment_of(self, name: str) -> Moment:
        """The slot under way by a campaign's own clock; the server's for one that is not known."""
        return self._wall_of.get(name, self._own).moment

    def calendar_of(self, name: str) -> Calendar:
        """Days and slots of a campaign; the server's for one that is not known."""
        return self._wall_of.get(name, self._own).calendar

    def _new_tomorrow(self) -> Tomorrow:
        return Tomorrow(self.desk, self._maker, self._begin, self._log)

    def _place(self, served: ServedCampaign) -> Wall:
        """The clock on the wall that a campaign goes by."""
        zone = self.desk.zone_of(served)
        if zone not in self._walls:
            calendar = Calendar(self._own.calendar.slots, zone_of(zone))
            self._walls[zone] = Wall(calendar, self.desk.clock(), self._new_tomorrow())
            self.ends = min(self.ends, self._walls[zone].moment.end)
        self._wall_of[served.name] = wall = self._walls[zone]
        return wall

    def stays(self, served: ServedCampaign) -> None:
        """A campaign whose day runs keeps its time zone.

        Raises:
            InvalidZone: it has another one now.
        """
        zone = self.desk.zone_of(served)
        if self._walls.get(zone) is not self._wall_of[served.name]:
            raise InvalidZone(
                f"the running day of {served.name!r} is of another time zone than {zone}, and its money is that day's. "
                "Remove the campaign and add it under another name, or change its zone in the file and start again."
            )

    def _at(self, wall: Wall) -> dict[str, CampaignDay]:
        """The running days that go by a clock."""
        return {name: day for name, day in self.running.items() if self._wall_of[name] is wall}

    def begin(self, served: ServedCampaign) -> None:
        """Begin a campaign's day in the slot that is under way."""
        moment = self._place(served).moment
        pilots = self._maker.make(served, moment.day, self._log(served.name))
        self.running[served.name] = self._begin(served, moment, pilots)
        self._resume(self.running[served.name])

    def _begin(
        self,
        served: ServedCampaign,
        moment: Moment,
        pilots: Pilots,
        wallet: Wallet | None = None,
        caught_up: bool = True,
    ) -> CampaignDay:
        day = CampaignDay(self.desk, served, moment, pilots, self._log(served.name), wallet, caught_up)
        day.wallet.on_expired = self._expired
        return day

    def _log(self, name: str) -> EventLog:
        return self.events.setdefault(name, EventLog(self.desk.clock, name))

    def tend(self, now: float, served: Mapping[str, ServedCampaign]) -> None:
        """Let reservations run out, keep leases alive, forget what is too old, go on with the agenda."""
        for name, day in self.running.items():
            try:
                day.wallet.tend(now)
            except Exception as error:  # whatever it is, the other campaigns go on
                self._fail(name, error)
        if now >= self._kept_until:
            self._keep(now)
        for account, (over, wallet) in list(self._old.items()):
            wallet.tend(now)
            if now - over >= (OLD_DAYS + 1) * DAY:
                del self._old[account]
        if not self.paced:
            self.agenda.drain(now)
            return
        for wall in self._walls.values():
            wall.tomorrow.tend(now)
            following = wall.calendar.after(wall.moment)
            if wall.tomorrow.due(wall.moment, following, now):
                own = {name: one for name, one in served.items() if self._wall_of.get(name) is wall}
                self.agenda.add(wall.tomorrow.preparing(own, following, self.agenda))

    # --- slots and days --------------------------------------------------------------------------

    def advance(self, now: float, served: Mapping[str, ServedCampaign]) -> bool:
        """Go on to the slots of `now`, with campaigns as they stand in `served`; whether a new day has begun."""
        begun = False
        while due := [wall for wall in self._walls.values() if wall.moment.end <= now]:
            self.agenda.finish()  # of the slots before nothing is left
            for wall in due:
                target = wall.calendar.at(now)
                if wall.moment.day == target.day:
                    self._next_slot(wall, served)
                else:
                    self._next_day(wall, target, served, now)
                    begun = True
            if not self.paced:
                self.agenda.drain(now)
            self.turns += 1
        self.ends = min(wall.moment.end for wall in self._walls.values())
        return begun

    def _next_slot(self, wall: Wall, served: Mapping[str, ServedCampaign]) -> None:
        wall.moment = following = wall.calendar.after(wall.moment)
        for name, day in self._at(wall).items():
            if name in self.failed:
                self.agenda.add(self._guarded(name, self._begin_again(name, served)))
                continue
            try:
                day.switch(following)
            except Exception as error:
                self._fail(name, error)
            else:
                self.agenda.add(self._guarded(name, day.closing(self.agenda)))

    def _next_day(self, wall: Wall, target: Moment, served: Mapping[str, ServedCampaign], now: float) -> None:
        wall.moment, over = target, self._at(wall)
        for name, day in over.items():
            if name not in served:
                del self.running[name]
            elif (ahead := wall.tomorrow.take(served[name], target)) is not None:
                self.running[name] = ahead
                self.failed.discard(name)
            else:
                day.stopped = _BEGINS
            self._old[day.account] = (now, day.wallet)
        self._look_ahead(wall)
        ending = set(over)
        for name, day in over.items():
            self.agenda.add(self._end(name, day, ending))
        self.agenda.add(self._night(over, ending, served))

    def _look_ahead(self, wall: Wall) -> None:
        """Prepare another day to come, or the same with other pilots."""
        wall.tomorrow.drop()
        wall.tomorrow = self._new_tomorrow()

    def _end(self, name: str, day: CampaignDay, ending: set[str]) -> Steps:
        try:
            yield from day.ending(self.agenda)
        except Exception as error:  # what the day has found is lost; the next one begins all the same
            self._tell(name, error)
        ending.discard(name)

    def _night(self, over: Mapping[str, CampaignDay], ending: set[str], served: Mapping[str, ServedCampaign]) -> Steps:
        """When all days have ended: keep what they have found, and begin the next ones."""
        while ending:
            yield None if self.agenda.hurried else self.desk.clock() + _LOOK
        yield from self._learn([day.filter for day in over.values() if day.filter is not None])
        for name, day in over.items():
            yield None
            yield from self._guarded(name, self._succeed(name, day, served))

    def _learn(self, found: Sequence[TrafficFilter]) -> Steps:
        """Keep what the filters of a day have found, in a thread where bids wait: it is written to a file."""
        book = self.desk.book
        if book is None:
            return
        try:
            if not self.paced:
                book.learn(found)
                return
            thread = ThreadPoolExecutor(1, thread_name_prefix="book")
            learnt = thread.submit(book.learn, found)
            thread.shutdown(wait=False)
            while not learnt.done() and not self.agenda.hurried:
                yield None  # milliseconds, and a clock that is moved by hand would not bring a later look
            learnt.result()
        except Exception:  # the day is forgotten; the next ones begin all the same
            LOGGER.exception("what the day has told of sources is lost")

    def _succeed(self, name: str, over: CampaignDay, served: Mapping[str, ServedCampaign]) -> Steps:
        over.close()
        if self.running.get(name) is not over:
            if name in self.running:
                self.running[name].renew()
        elif name in served:
            self.begin(served[name])
            self.failed.discard(name)
        else:
            del self.running[name]
        yield None

    # --- what fails ------------------------------------------------------------------------------

    def _guarded(self, name: str, steps: Steps) -> Steps:
        """The steps of one campaign, which stops alone where they fail."""
        try:
            yield from steps
        except Exception as error:
            self._fail(name, error)

    def _fail(self, name: str, error: Exception) -> None:
        if name not in self.failed:
            self._tell(name, error)
        self.failed.add(name)
        if name in self.running:
            self.running[name].stopped = _FAILED

    def _tell(self, name: str, error: Exception) -> None:
        self._log(name).record(Cause.campaign_failed, f"{type(error).__name__}: {error}")
        LOGGER.error("campaign %s failed; it is begun again at the next slot", name, exc_info=error)

    def _begin_again(self, name: str, served: Mapping[str, ServedCampaign]) -> Steps:
        """Begin a campaign anew that has failed, from the slots that were stored, with the money that it holds."""
        before = self.running[name]
        if name not in served:
            return
        moment = self.moment_of(name)
        pilots = self._maker.make(served[name], moment.day, self._log(name))
        yield None
        today = before.moment.day == moment.day
        day = self._begin(served[name], moment, pilots, before.wallet if today else None, caught_up=False)
        for _ in day.catch_up():
            yield None
        self._resume(day)
        before.close(wallet=not today)
        self.running[name] = day
        self.failed.discard(name)
        LOGGER.warning("campaign %s goes on", name)

    # --- accounts --------------------------------------------------------------------------------

    def swap(self, desk: Desk, agent: Agent) -> None:
        """Begin every day from now on at another desk; one that runs goes on until its successors are given to it."""
        self.desk = desk
        self._maker = PilotMaker(desk, agent, self.shadow)
        for wall in self._walls.values():
            self._look_ahead(wall)

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
        return {name: [f"{name}@{self.moment_of(name).date_before(k)}" for k in range(days)] for name in self.running}

    def close(self) -> None:
        """Give unused money back and let the policies' threads end."""
        for wall in self._walls.values():
            wall.tomorrow.drop()
        self._keep(self.desk.clock())
        for day in self.running.values():
            day.close()

    def _keep(self, now: float) -> None:
        """Keep what quotas of sources are held against in the slot under way, so that no restart renews them."""
        self._kept_until = now + _KEPT
        for day in self.running.values():
            if day.gate is not None and any(used := day.gate.used):
                self.desk.state.store_gate(day.account, day.slot, used)

    def _resume(self, day: CampaignDay) -> None:
        """Hold quotas against what was kept of the slot before a restart."""
        if day.gate is not None:
            day.gate.resume(self.desk.state.gate(day.account, day.slot))
