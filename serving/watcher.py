"""Watches campaigns' days: hands each slot that has passed to the scan of its day, and tells of what left its bands."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Final

import numpy as np

from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.day.slot_totals import SlotTotals
from bidpilot.bidding.landscape.calendar import weekday_of
from bidpilot.bidding.landscape.forecast import TRAFFIC_LEVEL, Forecast
from bidpilot.bidding.watch.alarm import Alarm, Risk
from bidpilot.bidding.watch.bands import Bands
from bidpilot.bidding.watch.metrics import PLAYED
from bidpilot.bidding.watch.scan import Delays, Scan
from bidpilot.serving.guardrails import LOGGER
from bidpilot.serving.open_hours import open_share
from bidpilot.serving.served import ServedCampaign

ALIKE: Final = 1.5
"""Factor that a day's budget may lie from that of the bands' days, either way, for money and wins to be watched: with
twice the budget a campaign wins another share of auctions, and pays more for them."""
_SAME_BUDGET = 0.05  # share of a running day's budget that may come or go without a word
OnAlarm = Callable[[str, Alarm], None]
"""Hears of an alarm: the campaign's name, and what left its band."""
OnLasting = Callable[[str, Mapping[str, float]], None]
"""Hears at the end of each slot what goes on of what was told: the campaign's name, and scores by metric."""


class DayWatch:
    """One campaign's day: `close` with each slot's totals, `late` with what is told later of it.

    A slot that is played again after a restart was told of before, and is not told of again.
    """

    def __init__(self, watcher: Watcher, campaign: str, scan: Scan, is_open: np.ndarray) -> None:
        self._watcher, self._campaign, self.scan, self._open = watcher, campaign, scan, is_open
        self._again, self._seen = False, True
        self._paused = self._was_paused = False

    def note(self, seen: bool, again: bool = False, paused: bool = False) -> None:
        """Say of the slot that is closed next whether somebody saw the whole of it, whether it is played again after a
        restart, and whether no bids were made in it."""
        self._seen, self._again, self._paused = seen, again, paused

    def go_on(self, before: DayWatch) -> None:
        """Go on with the slots that another watch of the day has closed."""
        self.scan.go_on(before.scan)
        self.note(before._seen, before._again, before._paused)
        self._was_paused = before._was_paused

    def rebudgeted(self, before: int, after: int) -> None:
        """The day's budget is another one now: what depends on that is not watched for the rest of it."""
        if abs(after - before) > _SAME_BUDGET * before:
            self.scan.unwatch(PLAYED)

    def late(self, slot: int, totals: SlotTotals) -> None:
        """Add what is told only now of a slot that is closed; one row."""
        if slot < self.scan.slots.t:
            self.scan.late(slot, totals)

    def close(self, totals: SlotTotals) -> None:
        """Take in the slot that has passed, one row, and tell of what left its band."""
        if self.scan.over:
            return
        seen = self._seen and not self._watcher.muted() and self._open[self.scan.slots.t]
        alarms = self.scan.close(totals if seen else None, not (self._paused or self._was_paused))
        quiet, self._was_paused = self._again, self._paused
        self._watcher.tracked[self._campaign] = self.scan.tracked
        self.note(seen=True)
        if not quiet:
            for alarm in alarms:
                self._watcher.tell(self._campaign, alarm)
            self._watcher.on_lasting(self._campaign, self.scan.lasting)


class Watcher:
    """Makes the watch of each campaign's day, counts alarms, and tells of each: a line of the log, and a callback.

    Args:
        bands: of the bundle; None: nothing is watched.
        forecast: of the bundle, with the events that are named.
        watches: whether this process does; of several workers, who are told the same, one does.
    """

    def __init__(self, bands: Bands | None = None, forecast: Forecast | None = None, watches: bool = True) -> None:
        self.bands, self._forecast, self._watches = bands, forecast, watches
        if bands is None and forecast is not None and watches:
            LOGGER.warning("the bundle has no bands: no day is watched. Export it again to have some.")
        self.shares: dict[str, float] = {}  # of the bands' traffic and money, of campaigns that have less than all
        self.counts: Counter[Risk] = Counter()
        self.on_alarm: OnAlarm | None = None
        self.on_lasting: OnLasting = lambda campaign, scores: None
        self.muted: Callable[[], bool] = lambda: False
        """Whether nothing can be told of what passes, as while all bidding is killed."""
        self.tracked: dict[str, tuple[bool, bool]] = {}
        """By campaign: whether interactions, and conversions, were told of today or on the day before."""

    def change(self, bands: Bands | None, forecast: Forecast) -> None:
        """Watch by another bundle: days that begin from now on, and each that runs once it is handed over."""
        if bands is None and self.bands is not None and self._watches:
            LOGGER.warning("the new bundle has no bands: no day is watched any more. Export it again to have some.")
        self.bands, self._forecast = bands, forecast

    def begin(self, served: ServedCampaign, campaign: Campaign, day: int) -> DayWatch | None:
        """The watch of a campaign's day (days since 1970), with its budget for that day; None: nothing is watched."""
        bands, forecast = self.bands, self._forecast
        if bands is None or forecast is None or not self._watches:
            return None
        delays, hours = campaign.delays, () if served.flight is None else served.flight.hours
        share = self.shares.get(served.name, 1.0)
        bands = replace(bands, budget=bands.budget * share)
        alike = not hours and abs(math.log(campaign.budget / bands.budget)) <= math.log(ALIKE)
        scan = Scan(
            bands,
            campaign.budget,
            int(weekday_of(np.array(day))),
            requests=_planned(forecast, day) * share,
            delays=Delays(delays.wins, delays.interactions, delays.conversions),
            tracked=self.tracked.get(served.name, (False, False)),
            unwatched=() if alike else PLAYED,
        )
        is_open = open_share(hours, bands.slots) > 1.0 - 1e-9 if hours else np.ones(bands.slots, np.bool_)
        return DayWatch(self, served.name, scan, is_open)

    def hand_over(
        self, before: DayWatch | None, served: ServedCampaign, campaign: Campaign, day: int, slot: int
    ) -> DayWatch | None:
        """The watch by other bands of a day that runs, with `slot` slots closed; `before` has watched it so far."""
        watch = self.begin(served, campaign, day)
        if watch is None:
            return None
        if before is not None and before.scan.slots.t == slot and before.scan.bands.slots == watch.scan.bands.slots:
            watch.go_on(before)
            return watch
        for _ in range(slot):
            watch.scan.close(None)
        return watch

    def tell(self, campaign: str, alarm: Alarm) -> None:
        """Count an alarm, write one line of it, and tell who listens; what fails there stops nothing here."""
        self.counts[alarm.risk] += 1
        LOGGER.warning(json.dumps({"event": "alarm", "campaign": campaign, **_finite(asdict(alarm))}))
        if self.on_alarm is None:
            return
        try:
            self.on_alarm(campaign, alarm)
        except Exception:
            LOGGER.exception("the alarm %s of %s could not be told", alarm.metric, campaign)


def _planned(forecast: Forecast, day: int) -> float:
    """The factor on requests that the named events of a day are expected to bring."""
    if forecast.calendar is None:
        return 1.0
    on = [event.level[TRAFFIC_LEVEL] for event in forecast.calendar.events if event.covers(np.array([day]))[0]]
    return float(np.exp2(np.sum(on)))


def _finite(fields: dict[str, object]) -> dict[str, object]:
    """Fields as JSON holds them, which knows no infinity."""
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in fields.items()}
