"""The data inventory, declared: each field that a bid server keeps, why, and of whom it tells.

A field that is kept and not declared here fails a test, and so does one that is declared and not kept. `request` names
the field of a bid request that it is taken from; no other field of one may be kept anywhere.
"""

from __future__ import annotations

from typing import NamedTuple

OPERATORS = "operators"
PEOPLE = "who was shown a capped campaign, by a mark that nobody can read once its key is gone"


class Field(NamedTuple):
    """Why a field is kept."""

    why: str
    request: str = ""  # field of a bid request that it is taken from; empty where of none
    personal: str = ""  # whom it tells of; empty where of nobody


_ACCOUNT = Field("whose day it is: campaign and date")
_MONEY = Field("the books")
_USER = "user.buyeruid, user.id or device.ifa, as keyed hash"

DECISIONS = {
    "key": Field("joins a bid to its outcomes; drawn by the server"),
    "campaign": Field("whose auction it was"),
    "date": Field("groups training days"),
    "slot": Field("places it in the day"),
    "slots": Field("says how many slots a day has"),
    "time": Field("orders auctions within a slot"),
    "segment": Field("which curve of the forecast it is of", "imp.ext.bidpilot.segment"),
    "source": Field(
        "finds invalid traffic: one of some thousand clusters of publishers", "site.publisher.id, as cluster"
    ),
    "format": Field("learns rates by format", "imp: which of video, audio, native and banner it has"),
    "exposure": Field("what the bid was made for", "imp.ext.bidpilot.exposure"),
    "interaction": Field("what the bid was made for", "imp.ext.bidpilot.interaction"),
    "conversion": Field("what the bid was made for", "imp.ext.bidpilot.conversion"),
    "floor": Field("tells a bid below the floor from one that lost", "imp.bidfloor"),
    "first_price": Field("which payment rule held", "at"),
    "bid": Field("what was offered"),
    "shadow_bid": Field("compares the shadow bundle"),
    "result": Field("what became of it"),
    "cost": Field("what was paid"),
    "market_price": Field("trains the forecast"),
    "budget": Field("replays the day"),
    "conversion_value": Field("replays the day"),
    "timezone": Field("tells which hours of which day the slots are"),
    "experiment": Field("which experiment it is part of"),
    "arm": Field("compares its arms; of whoever would have seen it, one of a few that are drawn by chance"),
}
OUTCOMES = {
    "key": Field("joins it to its bid"),
    "event": Field("kind of event, told by the exchange's notice"),
    "count": Field("how many"),
    "value": Field("what a conversion was worth"),
    "interaction": Field("what it counts for"),
    "conversion": Field("what it counts for"),
}
STATE = {
    "slots.account": _ACCOUNT,
    "slots.slot": Field("which slot"),
    "slots.totals": Field("sums of the slot by segment and source, which a restart plays again"),
    "gates.account": _ACCOUNT,
    "gates.slot": Field("which slot"),
    "gates.used": Field("requests by source so far, which quotas hold over a restart"),
    "results.account": _ACCOUNT,
    "results.text": Field("what the day cost and brought, by segment"),
    "forgiven.campaign": Field("whose unbilled wins an operator has looked at"),
    "forgiven.wins": Field("how many they were"),
    "rotation.campaign": Field("whose creatives"),
    "rotation.text": Field("exposures of each creative and what they brought, by which the next is chosen"),
    "key.one": Field("there is one row"),
    "key.text": Field("tells whether the key is the right one"),
}
LEDGER = {
    "accounts.account": _ACCOUNT,
    "accounts.budget": _MONEY,
    "accounts.settled": _MONEY,
    "accounts.debt": _MONEY,
    "accounts.won": _MONEY,
    "accounts.wins": _MONEY,
    "accounts.lapsed": _MONEY,
    "accounts.lapsed_amount": _MONEY,
    "leases.account": _ACCOUNT,
    "leases.lease": Field("which bidder holds money"),
    "leases.held": _MONEY,
    "leases.until": Field("when it lets it go"),
    "notices.key": Field("bills each bid once"),
    "notices.account": _ACCOUNT,
    "notices.amount": _MONEY,
    "notices.booked": Field("how it was paid"),
    "wins.key": Field("holds each win once"),
    "wins.account": _ACCOUNT,
    "wins.lease": Field("which bidder held its money"),
    "wins.amount": _MONEY,
    "wins.until": Field("when it is no longer waited for"),
    "wins.slot": Field("limits what a slot spends"),
    "slots.account": _ACCOUNT,
    "slots.slot": Field("which slot"),
    "slots.spent": _MONEY,
    "orders.name": Field("what an operator has ordered"),
    "orders.version": Field("in which order"),
    "shown.version": Field("in which order"),
    "shown.user": Field("caps frequency: keyed hash of an id, erased when its windows are over", _USER, PEOPLE),
    "shown.campaign": Field("caps frequency"),
    "shown.creative": Field("caps frequency: number of the creative"),
    "shown.at": Field("caps frequency: when", personal=PEOPLE),
    "shown.until": Field("when it is erased"),
    "shown.process": Field("which process was told"),
    "shown.count": Field("caps frequency: exposures that one impression stands for", "imp.qty.multiplier"),
    "user_keys.period": Field("which fortnight"),
    "user_keys.key": Field("makes marks of people; drawn by the server, erased a fortnight after its own"),
    "user_keys.until": Field("when it is erased"),
    "orders.text": Field("the order: settings, when, and the name of the token", personal=OPERATORS),
}
MEMORY = {
    "evidence": Field("how far a source is taken for invalid"),
    "requests": Field("how much a source usually sends"),
    "days": Field("of how many days"),
}
AUDIT = {
    "seq": Field("in which order"),
    "at": Field("when", personal=OPERATORS),
    "who": Field("name of the token", personal=OPERATORS),
    "role": Field("what it may do", personal=OPERATORS),
    "peer": Field("address that it came from", personal=OPERATORS),
    "what": Field("method and path", personal=OPERATORS),
    "status": Field("whether it was done"),
    "before": Field("settings that it changed, as they were"),
    "after": Field("and as they are"),
    "prev": Field("hash of the line before"),
    "torn": Field("bytes that a kill left of a line before"),
}
EVENTS = {
    "event": Field("what a guardrail did"),
    "campaign": Field("whose"),
    "new": Field("how often since the last line"),
    "detail": Field("why; of orders the name of the token, of faults their kind and line without their text"),
    "day": Field("of retention, the day"),
    "removed": Field("of retention, what went"),
}
METRICS = {
    "campaign": Field("whose money, coefficients and wins"),
    "part": Field("which part of the money"),
    "kpi": Field("which coefficient"),
    "reason": Field("why there was no bid, from a fixed list"),
    "cause": Field("which guardrail, from a fixed list"),
    "result": Field("what became of notices, or who gave an impression its values, from a fixed list"),
    "digest": Field("which bundle decides"),
    "run": Field("of which training run it is"),
    "risk": Field("what alarms and incidents are of, from a fixed list"),
    "form": Field("what was odd about the form of a request, from a fixed list"),
    "experiment": Field("which experiment is served"),
    "arm": Field("which of its arms, from a fixed list"),
    "by": Field("what an arm was drawn by: user, device or request, never which"),
    "le": Field("bounds of the histogram of latency"),
}
FILES = {
    "admin.token": Field("the token of all roles, where none was given"),
    "notice.secret": Field("signs the addresses of notices, where none was given"),
    "experiment.key": Field("hashes users to arms, where no key was given"),
    "experiment-NAME.json": Field("arms and bundles of an experiment, beside the decision log"),
    "ledger.lock": Field("empty: one process writes the ledger"),
    "state.lock": Field("empty: servers and restores do not meet"),
    "pruned.json": Field("when retention was last kept, and what went"),
    "forgotten.json": Field("numbers of sources that a running server is to forget"),
    "segments.json": Field("names of the bundle's segments, beside the decision log"),
}
