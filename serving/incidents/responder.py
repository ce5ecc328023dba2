"""The responder: takes alarms and events in, keeps the incidents, and holds what they mean over the campaigns' bids.

Everything here is called in the bidder's own thread. Files are written and contacts told by others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from bidpilot.bidding.errors import BidpilotError, UnknownIncident
from bidpilot.bidding.watch.alarm import Alarm, Risk
from bidpilot.serving.calendar import DAY, date_of
from bidpilot.serving.guardrails import LOGGER, Cause
from bidpilot.serving.incidents import machine as machines
from bidpilot.serving.incidents import stops
from bidpilot.serving.incidents.around import extended, slots_of
from bidpilot.serving.incidents.effects import Effects, effects_of
from bidpilot.serving.incidents.files import read_incidents, write_incident
from bidpilot.serving.incidents.followed import Followed
from bidpilot.serving.incidents.incident import Action, Incident, Level, Target
from bidpilot.serving.incidents.machine import Machine, Noticed
from bidpilot.serving.incidents.responses import Responses, plain
from bidpilot.serving.incidents.shared import Shared
from bidpilot.serving.incidents.triggers import Triggers

if TYPE_CHECKING:
    from bidpilot.serving.bidder import Bidder
    from bidpilot.serving.orders import Pending

_LOOK = 10.0  # seconds between two looks at events and states
_AT_ONCE = 8  # campaigns whose days take other responses up at a call
_LISTED = 500  # incidents that are over and still listed
_CAMPAIGN = Target(kind="campaign")
_BIDDER = Target(kind="bidder")
_NEWS = frozenset(Action) - {Action.told, Action.fell_back}


class Responder:
    """Keeps one incident for each campaign, risk and target.

    Args:
        bidder: whose campaigns are responded for.
        responses: how.
    """

    def __init__(self, bidder: Bidder, responses: Responses) -> None:
        self._bidder, self.policy, self._folder = bidder, responses.policy, responses.folder
        self._copies = responses.copies
        self.contacts, self._followed = responses.contacts, Followed(responses.follows)
        self.machine = Machine(responses.policy, DAY / bidder.calendar.slots)
        self.incidents: dict[str, Incident] = {}  # by id
        self.unheard = 0  # alarms that the policy's factors leave out
        self._quiet: dict[tuple[str, str], tuple[Alarm, Target]] = {}  # those, by campaign and metric
        self._latest: dict[tuple[str, Risk, Target], str] = {}  # ids
        self._heard: dict[tuple[str, Risk, Target], tuple[float, Level]] = {}  # slot and level of a notice
        self._effects: dict[str, Effects] = {}  # by campaign
        self._triggers, self._next = Triggers(), bidder.desk.clock()
        self._turn = bidder.turns
        self.shared = Shared(bidder.control, self._obey)
        self._load()

    @property
    def open(self) -> list[Incident]:
        """The incidents that go on, oldest first."""
        return [one for one in self.incidents.values() if one.open]

    @property
    def all(self) -> dict[str, Incident]:
        """Those kept here, and those of the worker that is followed, by id."""
        return {**self._followed.incidents, **self.incidents}

    def news(self) -> list[Incident]:
        """Those that go on, and those over for less than a day."""
        since = self._bidder.desk.clock() - DAY
        return [one for one in self.all.values() if one.open or (one.ended or 0.0) > since]

    def get(self, id: str) -> Incident:
        """An incident.

        Raises:
            UnknownIncident: there is none of this name.
        """
        found = self.incidents.get(id) or self._followed.incidents.get(id)
        if found is None:
            raise UnknownIncident(f"there is no incident {id[:96]!r} here. GET /admin/incidents lists them.")
        return found

    # --- what is noticed -------------------------------------------------------------------------

    def alarm(self, campaign: str, alarm: Alarm, target: Target = _CAMPAIGN) -> Incident | None:
        """An alarm of a slot that is over, which goes on as long as `goes_on` or another alarm says so.

        The incident that it belongs to; None where the policy does not listen to it.
        """
        key = campaign, alarm.metric
        if not self.policy.hears(alarm):
            self.unheard += key not in self._quiet
            self._quiet[key] = alarm, target
            return None
        self._quiet.pop(key, None)
        evidence = asdict(alarm) | {"explanation": alarm.explanation}
        return self._notice(Noticed(alarm.risk, campaign, target, alarm.slot, alarm.explanation, plain(evidence)))

    def hear(self, campaign: str, alarm: Alarm) -> None:
        """An alarm of a campaign, as a watcher tells it."""
        self.alarm(campaign, alarm)

    def goes_on(self, campaign: str, scores: Mapping[str, float]) -> None:
        """What was told of these metrics goes on: their scores now, at the end of each slot in which they are out.

        What had cleared, as where nothing could be seen of it under its response, is open again where its score is
        beyond its threshold still.
        """
        now, slot = self._bidder.desk.clock(), (self._bidder.moment_of(campaign).slot - 1) % self._bidder.calendar.slots
        for incident in [self.incidents[id] for id in self._latest.values() if id in self.incidents]:
            told = {a["metric"]: a["threshold"] for a in incident.alarms if "metric" in a and "threshold" in a}
            out = [(float(scores[name]), float(told[name]), name) for name in told if name in scores]
            if incident.campaign != campaign or not out:
                continue
            score, threshold, metric = max(out, key=lambda one: one[0] / one[1])
            if incident.open:
                self._become(incident, self.machine.lasts(incident, now, slot, score, threshold))
            elif score > threshold and not incident.undone and self.machine.reopens(incident, now):
                evidence = {"metric": metric, "score": score, "threshold": threshold}
                self._notice(Noticed(incident.risk, campaign, incident.target, slot, incident.explanation, evidence))
        for (name, metric), (alarm, target) in list(self._quiet.items()):
            if name != campaign:
                continue
            if metric not in scores:
                del self._quiet[name, metric]
            elif self.policy.hears(worse := replace(alarm, slot=slot, score=float(scores[metric]))):
                self.alarm(campaign, worse, target)

    def notice(
        self,
        risk: Risk,
        campaign: str,
        target: Target,
        explanation: str,
        evidence: Mapping[str, Any],
        least: Level = Level.none,
    ) -> Incident:
        """Something that no band tells of, from the server's own events: to be told as long as it goes on.

        `least` is the response that it asks for, where the policy would open with less.
        """
        slot = self._bidder.moment_of(campaign).slot
        return self._notice(Noticed(risk, campaign, target, slot, explanation, plain(evidence), least))

    def _notice(self, noticed: Noticed) -> Incident:
        now, id = self._bidder.desk.clock(), self._latest.get(noticed.key)
        known = None if id is None else self.incidents.get(id)
        if known is None or not (known.open or self.machine.reopens(known, now)):
            return self._open(noticed, now)
        heard = self._bidder.moment_of(noticed.campaign).start, noticed.least
        if self._heard.get(noticed.key) == heard and known.open:
            return known  # once in a slot is enough
        self._heard[noticed.key] = heard
        return self._become(known, self.machine.hear(known, noticed, now))

    def _open(self, noticed: Noticed, now: float) -> Incident:
        moment = self._bidder.moment_of(noticed.campaign)
        day = self._bidder.days.get(noticed.campaign)
        bundle = self._bidder.desk.origin.digest if day is None else day.desk.origin.digest
        target = noticed.target.kind + ("" if noticed.target.index is None else str(noticed.target.index))
        date = date_of(moment.day - (noticed.slot > moment.slot))  # of yesterday's last slot midnight tells
        name = f"{date}-{noticed.slot:02d}-{noticed.campaign[:40] or 'bidder'}-{noticed.risk}-{target}"
        id, turn = name, 1
        while id in self.incidents:
            turn += 1
            id = f"{name}-{turn}"
        made = self.machine.open(noticed, now, id, date, bundle)
        if day is not None:
            made = made.model_copy(update={"slots": slots_of(day)})
        self._latest[noticed.key] = id
        self._heard[noticed.key] = moment.start, noticed.least
        return self._become(None, made)

    # --- time ------------------------------------------------------------------------------------

    def tend(self, now: float) -> None:
        """Look at events, let deadlines pass and incidents clear, and hold what they mean. Call it often."""
        if now >= self._next:
            self._next = now + _LOOK
            for found in list(self._triggers.found(self._bidder, now)):
                target = _CAMPAIGN if found.campaign else _BIDDER
                self.notice(found.risk, found.campaign, target, found.explanation, found.evidence, found.least)
        turn = self._bidder.turns
        for incident in self.open:
            tended = self.machine.tend(incident, now)
            if stops.resumed(incident, self._bidder.control):
                tended = self.machine.undo(incident, now, "resume", "an operator let the campaign go on")
            if tended is not incident or turn != self._turn:
                self._become(incident, self._with_slots(tended))
        self._turn = turn
        self._take_reached()
        if self._followed.tend(now):
            self._reckon("")
        self.hold()

    def _with_slots(self, incident: Incident) -> Incident:
        day = self._bidder.days.get(incident.campaign)
        if day is None:
            return incident
        return incident.model_copy(update={"slots": extended(incident.slots, slots_of(day))})

    def hold(self) -> None:
        """Let every running day hold what the incidents mean: days that have just begun, too; a few at a call."""
        left = _AT_ONCE
        for name, day in self._bidder.days.items():
            if name not in self._effects:
                self._reckon(name)
            effects = self._effects[name]
            if day.effects is effects:
                continue
            if not left:
                break  # each takes a part of a millisecond that no bid is to wait for
            left -= 1
            try:
                day.respond(effects)
            except Exception as error:  # the others' responses hold all the same
                self._bidder.events.record(Cause.response_failed, f"{name}: {type(error).__name__}: {error}")

    # --- operators -------------------------------------------------------------------------------

    def acknowledge(self, id: str, by: str, why: str = "") -> list[Pending]:
        """Somebody takes an incident on; what other bidders are told of it.

        Raises:
            UnknownIncident, InvalidIncident: there is none of this name, or it is over.
        """
        return self._operate("acknowledge", id, by, {"why": why})

    def undo(self, id: str, by: str, why: str = "") -> list[Pending]:
        """Take the last response of an incident back.

        Raises:
            UnknownIncident, InvalidIncident: there is none of this name, it is over, or nothing holds.
        """
        return self._operate("undo", id, by, {"why": why})

    def extend(self, id: str, by: str, hours: float, why: str = "") -> list[Pending]:
        """Give an operator more time.

        Raises:
            UnknownIncident, InvalidIncident: there is none of this name, it has no deadline, or the time is none.
        """
        return self._operate("extend", id, by, {"hours": hours, "why": why})

    def close(self, id: str, by: str, why: str = "") -> list[Pending]:
        """End an incident with all its responses.

        Raises:
            UnknownIncident, InvalidIncident: there is none of this name, or it is over.
        """
        return self._operate("close", id, by, {"why": why})

    def _operate(self, action: str, id: str, by: str, given: dict[str, Any]) -> list[Pending]:
        now, before = self._bidder.desk.clock(), self.get(id)
        after = getattr(self.machine, action)(before, now, by, **given)
        if id in self.incidents:  # else the worker that keeps it hears of it
            self._become(before, after)
            self.hold()
        return self.shared.tell(before.campaign, {"action": action, "id": id, "by": by, "at": now, "given": given})

    def _obey(self, told: dict[str, Any]) -> None:
        """Carry out what another bidder's operator has said of an incident that is open here as well."""
        before = self.incidents.get(told["id"])
        if before is None or told["action"] not in ("acknowledge", "undo", "extend", "close"):
            return
        try:
            now = self._bidder.desk.clock()
            after = getattr(self.machine, told["action"])(before, now, told["by"], **told["given"])
        except (BidpilotError, TypeError):
            return  # it is over here, or holds nothing
        self._become(before, after)
        self.hold()

    def _take_reached(self) -> None:
        """Keep what became of messages to contacts."""
        for one in [] if self.contacts is None else self.contacts.reached():
            if one.failed:
                self._bidder.events.record(Cause.contact_failed, f"{one.incident}: {one.failed}")
            if (incident := self.incidents.get(one.incident)) is not None:
                now = self._bidder.desk.clock()
                self._become(incident, machines.told(incident, now, [one.contact], one.failed))

    def end(self) -> None:
        """Tell contacts what waits, and follow nobody any more."""
        self._followed.close()
        if self.contacts is not None:
            self.contacts.close()

    # --- what follows ----------------------------------------------------------------------------

    def _become(self, before: Incident | None, after: Incident) -> Incident:
        """Keep an incident as it has become, and carry out what follows from it."""
        if after is before:
            return after
        after = stops.carried_out(before, after, self._bidder)
        self.incidents[after.id] = after
        new = after.steps[0 if before is None else len(before.steps) :]
        for step in new:
            text = f"{after.id}: {step.action} at level {step.level.value} by {step.by}: {step.cause}"
            self._bidder.events.record(Cause.incident, text, always=True)
        if before is None or before.level != after.level:
            self._reckon(after.campaign)
        self._write(after)
        if self.contacts is not None and any(step.action in _NEWS for step in new):
            self.contacts.tell(after)
        if not after.open:
            self._forget()
        return after

    def _reckon(self, campaign: str) -> None:
        for name in [campaign] if campaign else list(self._bidder.days):
            mine = [one for one in self.all.values() if one.campaign in ("", name)]
            made = effects_of(mine, self.policy)
            if made != self._effects.get(name):
                self._effects[name] = made

    def _write(self, incident: Incident) -> None:
        for folder in filter(None, (self._folder, self._copies)):
            write = partial(write_incident, folder, incident)
            self._bidder.desk.state.writer.submit(("incident", incident.id, str(folder)), write)

    def _forget(self) -> None:
        over = [one.id for one in self.incidents.values() if not one.open]
        for id in over[: max(len(over) - _LISTED, 0)]:
            del self.incidents[id]  # its file stays

    def _load(self) -> None:
        """Take up what goes on, as its files tell it."""
        if self._folder is None:
            return
        found, failed = read_incidents(self._folder)
        for error in failed:
            LOGGER.warning("%s", error)
        for incident in found:
            self.incidents[incident.id] = incident
            key = incident.campaign, incident.risk, incident.target
            latest = self.incidents.get(self._latest.get(key, ""))
            if latest is None or incident.open or incident.seen >= latest.seen:
                self._latest[key] = incident.id
        self._forget()
        for name in self._bidder.days:
            self._reckon(name)
