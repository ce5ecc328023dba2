"""Administration of incidents, below /admin/incidents:

GET    /admin/incidents            those that are open, and those over of late; ?open=1: open ones alone
GET    /admin/incidents/ID         one, whole
POST   /admin/incidents/ID/acknowledge, /undo, /close     {"why": "..."}
POST   /admin/incidents/ID/extend                          {"hours": 2, "why": "..."}

GET needs a token that may read, the others one that may operate.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from bidpilot.bidding.errors import UnknownIncident
from bidpilot.serving.incidents.incident import Incident
from bidpilot.serving.incidents.responder import Responder
from bidpilot.serving.orders import Pending

ACTIONS = ("acknowledge", "undo", "extend", "close")
_LISTED = 100


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    why: str = ""
    hours: float | None = None


def shown(responder: Responder, query: str) -> list[dict[str, Any]]:
    """What GET /admin/incidents answers: the latest first, without slots and alarms."""
    found = [one for one in responder.all.values() if one.open or "open=1" not in query.split("&")]
    found.sort(key=lambda one: (one.open, one.seen), reverse=True)
    return [one.model_dump(mode="json", exclude={"slots", "alarms"}) for one in found[:_LISTED]]


def whole(incident: Incident) -> dict[str, Any]:
    """What GET /admin/incidents/ID answers."""
    return incident.model_dump(mode="json")


def act(responder: Responder, by: str, id: str, action: str, body: bytes) -> Sequence[Pending]:
    """Carry out what an operator asks of an incident; what other bidders are told of it.

    Raises:
        UnknownIncident, InvalidIncident: there is none of this name, or it cannot be asked for that.
        MsgspecError: the body is none.
    """
    if action not in ACTIONS:
        raise UnknownIncident(f"an incident cannot be asked to {action[:80]!r}. Use one of: {', '.join(ACTIONS)}.")
    given = msgspec.json.decode(body, type=_Body) if body.strip() else _Body()
    why = given.why[:1000]
    if action == "extend":
        hours = responder.policy.throttle_hours if given.hours is None else given.hours
        return responder.extend(id, by, hours, why)
    carry_out = {"acknowledge": responder.acknowledge, "undo": responder.undo, "close": responder.close}
    return carry_out[action](id, by, why)
