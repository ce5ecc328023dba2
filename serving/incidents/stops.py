"""Level 3: the campaign is paused by an order, which is durable and reaches all bidders of a store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bidpilot.bidding.errors import BidpilotError
from bidpilot.bidding.watch.alarm import Risk
from bidpilot.serving import settings
from bidpilot.serving.guardrails import Cause
from bidpilot.serving.incidents.incident import Action, Incident, Level

if TYPE_CHECKING:
    from bidpilot.serving.bidder import Bidder
    from bidpilot.serving.control import Control
    from bidpilot.serving.served import ServedCampaign

_RESUME = "resume"


def carried_out(before: Incident | None, after: Incident, bidder: Bidder) -> Incident:
    """Order what follows from the change of an incident's level; the incident, which tells what is to be taken back."""
    was = Level.none if before is None else before.level
    if was == after.level:
        return after
    if after.level is Level.stop and not _is_reconciled(after):
        return _stopped(after, bidder)
    if was is Level.stop:
        _gone_on(after, bidder)
    return after


def resumed(incident: Incident, control: Control) -> bool:
    """Whether an operator has let a campaign go on that an incident has stopped."""
    if incident.level is not Level.stop or not _paused_it(incident):
        return False
    served = control.served.get(incident.campaign)
    return served is not None and not served.paused


def _is_reconciled(incident: Incident) -> bool:
    """Whether the reconciliation of wins stops the campaign itself, and lets it go on."""
    return incident.risk is Risk.exchange_not_billing


def _paused_it(incident: Incident) -> bool:
    stopped = [step for step in incident.steps if step.action is Action.stopped]
    return bool(stopped and stopped[-1].undo and stopped[-1].undo.get(_RESUME))


def _stopped(incident: Incident, bidder: Bidder) -> Incident:
    control = bidder.control
    names = [incident.campaign] if incident.campaign else list(control.served)
    bid = [name for name in names if name in control.served and not control.served[name].paused]
    for name in bid:
        _order(bidder, control.served[name].model_copy(update={"paused": True}), incident)
    paused = [name for name in bid if control.served[name].paused]
    if not paused:
        return incident
    steps = list(incident.steps)
    last = max(k for k, step in enumerate(steps) if step.action is Action.stopped)
    steps[last] = steps[last].model_copy(update={"undo": {**(steps[last].undo or {}), _RESUME: paused}})
    return incident.model_copy(update={"steps": tuple(steps)})


def _gone_on(incident: Incident, bidder: Bidder) -> None:
    if _is_reconciled(incident):
        if incident.steps[-1].action in (Action.undone, Action.closed):  # an operator has looked
            bidder.reconciliation.forgive(incident.campaign)
        return
    stopped = [step for step in incident.steps if step.action is Action.stopped]
    control = bidder.control
    for name in (stopped[-1].undo or {}).get(_RESUME, []) if stopped else []:
        said = settings.read(control.orders.get(settings.field_key(name, "paused")))
        if name in control.served and said is not None and said.by == _by(incident):  # nobody has paused it since
            _order(bidder, control.served[name].model_copy(update={"paused": False}), incident)


def _order(bidder: Bidder, served: ServedCampaign, incident: Incident) -> None:
    try:
        bidder.control.put(served, _by(incident), ["paused"])
    except BidpilotError as error:  # the response of this bidder holds all the same
        bidder.events.record(Cause.response_failed, f"{served.name}: {error}")


def _by(incident: Incident) -> str:
    return f"incident {incident.id}"
