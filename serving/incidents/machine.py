"""The three response levels as a state machine: an incident and the time in, the incident as it goes on out.

Nothing is read, written or carried out here: what a level means for bids is in `effects`, who is told in `contacts`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from bidpilot.bidding.errors import InvalidIncident
from bidpilot.bidding.watch.alarm import Risk
from bidpilot.serving.incidents.incident import Action, Incident, Level, Role, Step, Target
from bidpilot.serving.incidents.policy import HOUR, ResponsePolicy

MOST_ALARMS = 192
"""Alarms that an incident keeps: four days of slots."""
MOST_STEPS = 500
"""Steps after which an incident that flaps goes on without telling more of it."""
_FRESH = 2.1  # slots for which an alarm that was heard counts as going on: deadlines bring nothing after
_GRACE = 0.1  # slots: an alarm comes some time after the end of its slot
_SLOWER = 3  # times that a flapping incident's time to clear doubles, at most
_LONGEST = 7 * 24.0  # hours of an extension
_ROLES = (Role.watcher, Role.lead, Role.director)
_DONE = {Level.throttle: Action.throttled, Level.pause: Action.paused, Level.stop: Action.stopped}


@dataclass(frozen=True)
class Noticed:
    """What has gone wrong, as an alarm or an event of the server tells it."""

    risk: Risk
    campaign: str  # empty where it is the bidder's
    target: Target
    slot: int
    explanation: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    least: Level = Level.none  # the response that it asks for at least, whatever the policy opens with

    @property
    def key(self) -> tuple[str, Risk, Target]:
        """What there is one incident of."""
        return self.campaign, self.risk, self.target


@dataclass(frozen=True)
class Machine:
    """Takes incidents from step to step.

    Args:
        policy: what is done about each risk.
        slot: length of a slot, seconds.
    """

    policy: ResponsePolicy
    slot: float

    # --- alarms ----------------------------------------------------------------------------------

    def open(self, noticed: Noticed, now: float, id: str, day: date, bundle: str = "") -> Incident:
        """The incident of what was noticed first."""
        made = Incident(
            id=id,
            risk=noticed.risk,
            campaign=noticed.campaign,
            target=noticed.target,
            day=day,
            slot=noticed.slot,
            bundle=bundle,
            level=Level.none,
            explanation=noticed.explanation,
            seen=now,
            alarms=(_kept(noticed, now),),
            slot_seconds=self.slot,
        )
        made = _step(made, Step(at=now, action=Action.opened, level=Level.none, cause=noticed.explanation))
        first = max(self.policy.response(noticed.risk, noticed.target).first, noticed.least)
        return self._raise(made, first, now, noticed.explanation, noticed.evidence)

    def reopens(self, incident: Incident, now: float) -> bool:
        """Whether the alarm of an incident that has ended would reopen it."""
        return incident.ended is not None and now - incident.ended <= self.policy.reopen_slots * self.slot

    def hear(self, incident: Incident, noticed: Noticed, now: float) -> Incident:
        """The incident's alarm again: it goes on, or is open again where it had ended."""
        alarms = (*incident.alarms, _kept(noticed, now))[-MOST_ALARMS:]
        heard = incident.model_copy(update={"seen": now, "alarms": alarms})
        if not heard.open:
            return self._reopen(heard, noticed, now)
        if heard.undone:
            return heard
        return self._raise(heard, noticed.least, now, noticed.explanation, noticed.evidence)

    def lasts(self, incident: Incident, now: float, slot: int, score: float, threshold: float) -> Incident:
        """What an alarm has told goes on, at another score, without being told again."""
        if not incident.open:
            return incident
        entry = {"at": now, "slot": slot, "score": score, "threshold": threshold, "lasts": True}
        return incident.model_copy(update={"seen": now, "alarms": (*incident.alarms, entry)[-MOST_ALARMS:]})

    def due(self, incident: Incident, now: float) -> float | None:
        """When, from `now` on, time alone changes an incident next, seconds since 1970; None: never."""
        if not incident.open:
            return None
        stays = incident.level is Level.stop and not self.policy.response(incident.risk, incident.target).lifts
        times = [] if stays else [incident.seen + self.clears_after(incident)]
        if incident.deadline is not None and not incident.acknowledged:
            at = max(incident.deadline, now)
            if at - incident.seen <= _FRESH * self.slot or incident.level is Level.stop:
                times.append(at)
        return max(min(times), now) if times else None

    def _reopen(self, incident: Incident, noticed: Noticed, now: float) -> Incident:
        again = incident.model_copy(
            update={"open": True, "ended": None, "review_due": None, "reopened": incident.reopened + 1}
        )
        cause = f"again: {noticed.explanation}"
        again = _step(again, Step(at=now, action=Action.reopened, level=again.level, cause=cause))
        level = Level.none if again.undone else max(again.held, noticed.least)
        return self._raise(again, level, now, cause, noticed.evidence)

    def _raise(
        self, incident: Incident, level: Level, now: float, cause: str, evidence: Mapping[str, Any], by: str = "server"
    ) -> Incident:
        """At a level, if that is higher; an operator has time again."""
        if level <= incident.level or not self.policy.acts:
            return incident
        before, patience = incident.level, self.policy.patience(level)
        at_level = incident.model_copy(
            update={
                "level": level,
                "acknowledged": False,
                "deadline": None if patience is None else now + patience,
            }
        )
        taken = Step(
            at=now,
            action=_DONE[level],
            level=level,
            by=by,
            cause=cause,
            evidence=dict(evidence),
            undo={"level": before},
        )
        at_level = _step(at_level, taken)
        if level is Level.pause:
            plan = Step(at=now, action=Action.fell_back, level=level, by=by, cause="the plan takes the policy's place")
            at_level = _step(at_level, plan)
        return at_level

    # --- time ------------------------------------------------------------------------------------

    def tend(self, incident: Incident, now: float) -> Incident:
        """The incident at a later time: over, escalated by one level and one role, or as it was."""
        if not incident.open:
            return incident
        stays = incident.level is Level.stop and not self.policy.response(incident.risk, incident.target).lifts
        if now - incident.seen >= self.clears_after(incident) and not stays:
            quiet = round((now - incident.seen) / self.slot, 2)
            return self._end(incident, now, Action.cleared, "server", f"no alarm for {quiet:g} slots", {"slots": quiet})
        if incident.deadline is None or now < incident.deadline or incident.acknowledged:
            return incident
        if now - incident.seen > _FRESH * self.slot and incident.level < Level.stop:
            return incident  # its alarm is away: the deadline waits whether it comes back
        return self._escalate(incident, now)

    def clears_after(self, incident: Incident) -> float:
        """Seconds without its alarm after which an incident is over: longer each time that it has reopened."""
        return (self.policy.clear_slots * 2.0 ** min(incident.reopened, _SLOWER) + _GRACE) * self.slot

    def _escalate(self, incident: Incident, now: float) -> Incident:
        role = _ROLES[min(_ROLES.index(incident.role) + 1, len(_ROLES) - 1)]
        last = self.policy.response(incident.risk, incident.target).last
        level = Level(min(incident.level + 1, max(last, incident.level)))
        if level is Level.stop and incident.level < level and not self._certain(incident):
            level = incident.level
        stays = level == incident.level and role == incident.role
        cause = f"nobody has acknowledged it by its deadline; it is the {role}'s now"
        patience = None if stays else self.policy.patience(level)
        told = incident.model_copy(update={"role": role, "deadline": None if patience is None else now + patience})
        late = {"deadline": incident.deadline}
        told = _step(
            told, Step(at=now, action=Action.escalated, level=level, by="deadline", cause=cause, evidence=late)
        )
        return self._raise(told, level, now, cause, late, by="deadline")

    def _certain(self, incident: Incident) -> bool:
        """Whether a campaign may be stopped for what was heard at this level, and not for a band alone."""
        since, certain = (
            max((s.at for s in incident.steps if s.action in _DONE.values()), default=0.0),
            self.policy.certain,
        )
        return any(
            "score" not in a or (certain is not None and "threshold" in a and a["score"] >= certain * a["threshold"])
            for a in incident.alarms
            if a["at"] >= since
        )

    def _end(
        self, incident: Incident, now: float, action: Action, by: str, cause: str, evidence: dict[str, Any]
    ) -> Incident:
        over = incident.model_copy(
            update={
                "open": False,
                "level": Level.none,
                "held": incident.level,
                "deadline": None,
                "acknowledged": False,
                "ended": now,
                "review_due": datetime.fromtimestamp(now, UTC).date() + timedelta(days=self.policy.review_days),
            }
        )
        return _step(over, Step(at=now, action=action, level=Level.none, by=by, cause=cause, evidence=evidence))

    # --- operators -------------------------------------------------------------------------------

    def acknowledge(self, incident: Incident, now: float, by: str, why: str = "") -> Incident:
        """Somebody has taken it on: it stays at its level until its alarm is away or asks for more.

        Raises:
            InvalidIncident: it is over.
        """
        _must_be_open(incident)
        if incident.acknowledged:
            return incident
        taken = incident.model_copy(update={"acknowledged": True, "deadline": None})
        return _step(taken, Step(at=now, action=Action.acknowledged, level=taken.level, by=by, cause=why))

    def extend(self, incident: Incident, now: float, by: str, hours: float, why: str = "") -> Incident:
        """Give an operator more time, from now or, where it lies ahead, from the deadline on.

        Raises:
            InvalidIncident: it is over, has no deadline, or the time is none.
        """
        _must_be_open(incident)
        if incident.deadline is None:
            raise InvalidIncident(f"{incident.id} has no deadline. Nothing escalates by itself.")
        if not 0 < hours <= _LONGEST:
            raise InvalidIncident(f"an extension of {hours} h cannot be. Give hours above 0, up to {_LONGEST:g}.")
        before = incident.deadline
        deadline = max(before, now) + hours * HOUR
        extended = incident.model_copy(update={"deadline": deadline})
        return _step(
            extended,
            Step(
                at=now,
                action=Action.extended,
                level=extended.level,
                by=by,
                cause=why,
                evidence={"hours": hours},
                undo={"deadline": before},
            ),
        )

    def undo(self, incident: Incident, now: float, by: str, why: str = "") -> Incident:
        """Take the last response back: the level of before it holds, and its alarm does not bring it again.

        Raises:
            InvalidIncident: it is over, or nothing holds.
        """
        _must_be_open(incident)
        if incident.level is Level.none:
            raise InvalidIncident(f"{incident.id} holds no response that could be undone. Close it, or leave it.")
        index, step = self._holds(incident)
        level = Level(step.undo["level"]) if step.undo is not None else Level.none
        back = incident.model_copy(update={"level": level, "undone": True, "acknowledged": True, "deadline": None})
        return _step(
            back,
            Step(at=now, action=Action.undone, level=level, by=by, cause=why, evidence={"step": index}),
        )

    def _holds(self, incident: Incident) -> tuple[int, Step]:
        """The step that brought the level that holds, with its number."""
        steps = incident.steps
        for k in range(len(steps) - 1, -1, -1):
            step = steps[k]
            if step.level == incident.level and step.action is _DONE[incident.level] and step.undo is not None:
                return k, step
        raise InvalidIncident(f"{incident.id} does not tell what brought its level. Close it.")

    def close(self, incident: Incident, now: float, by: str, why: str = "") -> Incident:
        """It is over: all responses are taken back, and its alarm does not bring them again for some time.

        Raises:
            InvalidIncident: it is over already.
        """
        _must_be_open(incident)
        return self._end(incident.model_copy(update={"undone": True}), now, Action.closed, by, why, {})


def told(incident: Incident, now: float, to: Iterable[str], failed: str = "") -> Incident:
    """With the step that a contact was told, or could not be."""
    step = Step(
        at=now,
        action=Action.told,
        level=incident.level,
        cause=failed or f"the {incident.role}",
        evidence={"contacts": list(to), "reached": not failed},
    )
    return _step(incident, step)


def _must_be_open(incident: Incident) -> None:
    if not incident.open:
        raise InvalidIncident(f"{incident.id} is over. GET /admin/incidents lists those that are open.")


def _kept(noticed: Noticed, now: float) -> dict[str, Any]:
    return {"at": now, "slot": noticed.slot, "least": int(noticed.least), **noticed.evidence}


def _step(incident: Incident, step: Step) -> Incident:
    if len(incident.steps) >= MOST_STEPS:
        return incident
    return incident.model_copy(update={"steps": (*incident.steps, step)})
