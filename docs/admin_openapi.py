"""Writes admin-openapi.json, OpenAPI of the bid server's administration: `python docs/admin_openapi.py`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from bidpilot.serving.served import ServedCampaign

FILE = Path(__file__).with_name("admin-openapi.json")
_OBJECT = {"type": "object"}
_DATE = {"type": "string", "format": "date"}
_ARM = {
    "type": "object",
    "required": ["to"],
    "properties": {"to": {"type": "string", "description": "the arm that gets all"}},
    "additionalProperties": False,
}
_PATH = {
    "type": "object",
    "required": ["path"],
    "properties": {"path": {"type": "string"}},
    "additionalProperties": False,
}
_WHY = {"type": "object", "properties": {"why": {"type": "string"}}, "additionalProperties": False}


class Route(NamedTuple):
    """One thing that can be asked for."""

    method: str
    path: str
    role: str  # that the token needs; empty: no token
    summary: str
    body: dict[str, Any] | None = None
    query: dict[str, dict[str, Any]] = {}  # noqa: RUF012
    order: bool = False  # whether it is answered 202 where it is in force and not durable or obeyed by all


_HOURS = {**_WHY, "properties": {"why": {"type": "string"}, "hours": {"type": "number", "exclusiveMinimum": 0}}}
_BUDGET = {
    "type": "object",
    "required": ["budget"],
    "properties": {"budget": {"type": "number", "minimum": 0}, "from": _DATE},
}
_CAMPAIGN = "/admin/campaigns/{name}"
_INCIDENT = "/admin/incidents/{id}"
ROUTES = (
    Route("get", "/health", "", "whether the process answers"),
    Route("get", "/ready", "", "whether bids can be made now; 503 where not"),
    Route("get", "/metrics", "", "counters, in Prometheus's text format"),
    Route("get", "/admin/campaigns", "read", "all campaigns with their money"),
    Route("put", _CAMPAIGN, "direct", "add a campaign, or change what is given of one",
          {"$ref": "#/components/schemas/CampaignChange"}, order=True),
    Route("delete", _CAMPAIGN, "direct", "stop one for good; what is told of its bids is booked", order=True),
    Route("post", f"{_CAMPAIGN}/pause", "operate", "make no bids", order=True),
    Route("post", f"{_CAMPAIGN}/resume", "operate", "bid again", order=True),
    Route("post", f"{_CAMPAIGN}/budget", "direct", "change its budget at once, or from a day on", _BUDGET, order=True),
    Route("get", f"{_CAMPAIGN}/spend", "read", "its days by the ledger, by channel, with results",
          query={"from": _DATE, "to": _DATE}),
    Route("get", "/admin/page/{name}", "read", "one campaign's running day, slot by slot"),
    Route("get", "/admin/stream", "read", "what the control page shows, as server-sent events"),
    Route("get", "/admin/bidders", "read", "what each bidder of the store takes to be ordered"),
    Route("post", "/admin/explain", "read", "a bid request (OpenRTB): the parts of its bids, without bidding", _OBJECT),
    Route("post", "/admin/kill", "operate", "stop all bidding", order=True),
    Route("post", "/admin/revive", "operate", "let it go on", order=True),
    Route("get", "/admin/bundle", "read", "which bundle decides, and which is to"),
    Route("post", "/admin/bundle", "direct", "another bundle, from the next slot on", _PATH, order=True),
    Route("get", "/admin/predictor", "read", "which rates the built-in predictor has"),
    Route("post", "/admin/predictor", "direct", "other rates of the built-in predictor, at once", _PATH, order=True),
    Route("get", "/admin/experiment", "read", "the experiment that is served: its arms"),
    Route(
        "post", "/admin/experiment/stop", "direct", "all users and the money that is left to one arm",
        _ARM, order=True,
    ),
    Route("get", "/admin/incidents", "read", "incidents that are open, and those over of late",
          query={"open": {"type": "integer", "enum": [1]}}),
    Route("get", _INCIDENT, "read", "one incident, whole"),
    Route("post", f"{_INCIDENT}/acknowledge", "operate", "say that it is seen", _WHY, order=True),
    Route("post", f"{_INCIDENT}/undo", "operate", "take back what was done about it", _WHY, order=True),
    Route("post", f"{_INCIDENT}/extend", "operate", "let what was done hold longer", _HOURS, order=True),
    Route("post", f"{_INCIDENT}/close", "operate", "say that it is over", _WHY, order=True),
    Route("post", "/admin/clock", "direct", "move the clock, where it is manual",
          {"type": "object", "required": ["now"], "properties": {"now": {"type": "number"}}}),
)  # fmt: skip
_ERRORS = {
    "400": "the body or what it asks for cannot be; `error` says why and what to do",
    "401": "no token, or one that is not known",
    "403": "the token may not",
    "404": "there is no such path, campaign or incident",
    "413": "the body is too large",
    "429": "too many wrong tokens from this address",
    "503": "the ledger does not answer",
}


def document() -> dict[str, Any]:
    """The whole document."""
    paths: dict[str, Any] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "bidpilot, administration of a bid server", "version": "1"},
        "servers": [{"url": "http://127.0.0.1:8081"}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": _schemas(),
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    names = [part.strip("{}") for part in route.path.split("/") if part.startswith("{")]
    parameters = [{"name": n, "in": "path", "required": True, "schema": {"type": "string"}} for n in names]
    parameters += [{"name": n, "in": "query", "schema": schema} for n, schema in route.query.items()]
    told = {"200": "done"} | (
        {"202": "in force here; not yet durable, or not yet obeyed by all"} if route.order else {}
    )
    told |= _ERRORS if route.role else {"503": "not ready"}
    found: dict[str, Any] = {
        "summary": route.summary,
        "responses": {k: {"description": text} for k, text in told.items()},
    }
    if parameters:
        found["parameters"] = parameters
    if route.body is not None:
        found["requestBody"] = {"content": {"application/json": {"schema": route.body}}}
    if route.role:
        found |= {"security": [{"token": []}], "x-role": route.role}
    return found


def _schemas() -> dict[str, Any]:
    """A served campaign, and what may be changed of one: each of its fields, none of which must be there."""
    whole = ServedCampaign.model_json_schema(ref_template="#/components/schemas/{model}")
    named = whole.pop("$defs")
    change = {k: v for k, v in whole.items() if k not in ("required", "title")}
    fields = dict(change["properties"])
    fields["campaign"] = _OBJECT | {"description": "settings of Campaign, each by itself"}
    change["properties"] = fields
    return named | {"ServedCampaign": whole, "CampaignChange": change}


def main() -> None:
    """Write the file."""
    FILE.write_text(json.dumps(document(), indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
