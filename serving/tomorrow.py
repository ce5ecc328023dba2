"""Days that are prepared ahead, so that midnight is no more than a change of hands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.plan.planner import Planner
from bidpilot.serving.agenda import Agenda, Steps
from bidpilot.serving.calendar import Moment
from bidpilot.serving.campaign_day import CampaignDay
from bidpilot.serving.desk import Desk
from bidpilot.serving.flight import Flight
from bidpilot.serving.guardrails import LOGGER, EventLog
from bidpilot.serving.pilots import PilotMaker, Pilots
from bidpilot.serving.served import ServedCampaign

AHEAD = 120.0
"""Seconds before midnight from which days are prepared."""
_REST = 0.3  # seconds between two plans at most, each of which slows bids down a little ...
_PART = 0.5  # ... and of the time until midnight this part is spent at rest
_LOOK = 0.005  # seconds between two looks whether a plan is made

Begin = Callable[[ServedCampaign, Moment, Pilots], CampaignDay]


class Tomorrow:
    """The days to come: plans are made in a thread, the rest in steps between bids.

    A day is begun ahead with what its filter knows by then, and takes its money; `CampaignDay.renew` tells it the rest.

    Args:
        desk: what the campaigns share.
        maker: makes pilots.
        begin: begins a day.
        events: of a campaign, by name.
    """

    def __init__(self, desk: Desk, maker: PilotMaker, begin: Begin, events: Callable[[str], EventLog]) -> None:
        self._desk, self._maker, self._begin, self._events = desk, maker, begin, events
        self._ready: dict[
            str, tuple[tuple[Campaign, Flight | None], CampaignDay]
        ] = {}  # by name, with what it was planned for
        self._for: int | None = None  # the day that is being prepared, days since 1970
        self._dropped = False
        self._thread: ThreadPoolExecutor | None = None
        self._planners: dict[int, Planner] = {}  # by the desk whose forecast they plan with

    def due(self, moment: Moment, following: Moment, now: float) -> bool:
        """Whether it is time to prepare the day that begins when the slot under way ends, which is not begun yet."""
        return following.slot == 0 and self._for != following.day and moment.end - now <= AHEAD

    def preparing(self, served: Mapping[str, ServedCampaign], following: Moment, agenda: Agenda) -> Steps:
        """Prepare a day for each campaign. What fails is begun at midnight, and fails there."""
        self._for = following.day
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="plans")
        names = list(served)
        rest = min(_REST, _PART * (following.start - self._desk.clock()) / max(len(names), 1))
        for name in names:
            if name not in served:  # removed meanwhile
                continue
            campaign, made = self._campaign(served[name], following), self._plan(served[name], following)
            while not made.done():
                if agenda.hurried or self._dropped:
                    return
                yield self._desk.clock() + _LOOK
            if self._dropped:
                return
            try:
                if name in served:
                    self._ready[name] = campaign, self._begin(served[name], following, made.result())
            except Exception:  # it is tried again at midnight, where a campaign that fails stops alone
                LOGGER.exception("the day of %s could not be prepared", name)
            yield self._desk.clock() + rest

    def _campaign(self, served: ServedCampaign, moment: Moment) -> tuple[Campaign, Flight | None]:
        """What a day is planned for, by what is known now."""
        budgets = self._desk.budgets
        return budgets.campaign(served, budgets.on(served, moment)), served.flight

    def _plan(self, served: ServedCampaign, following: Moment) -> Future[Pilots]:
        assert self._thread is not None
        desk, events = self._maker.deciders.of(served.name).desk, self._events(served.name)
        if (planner := self._planners.get(id(desk))) is None:
            # of its own: planners keep what they planned last
            planner = self._planners[id(desk)] = Planner(desk.forecast)
        return self._thread.submit(self._maker.make, served, following.day, events, planner)

    def tend(self, now: float) -> None:
        """Keep the leases of days to come alive."""
        for _, day in self._ready.values():
            day.wallet.tend(now)

    def take(self, served: ServedCampaign, moment: Moment) -> CampaignDay | None:
        """The campaign's day that begins with `moment`; None where none was prepared, or for other settings."""
        campaign, day = self._ready.pop(served.name, (None, None))
        if day is None:
            return None
        day.change(served)  # its account has today's budget from now on
        if campaign == self._campaign(served, moment) and day.moment == moment:
            return day
        day.close()
        return None

    def drop(self) -> None:
        """Give the money of days back that were not taken, and let the thread end."""
        for _, day in self._ready.values():
            day.close()
        self._ready, self._dropped = {}, True
        if self._thread is not None:
            self._thread.shutdown(wait=False)
            self._thread = None
