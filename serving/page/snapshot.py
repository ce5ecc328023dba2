"""The whole of what the page shows, and what of it has changed since it was told last."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any, TypeVar

import msgspec

from bidpilot.bidding.errors import LinkLost
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.drain import Drain
from bidpilot.serving.guardrails import LOGGER
from bidpilot.serving.incidents.incident import Incident
from bidpilot.serving.page import campaign
from bidpilot.serving.page.operations import Nothing, Operations
from bidpilot.serving.swap import origins_of

Told = dict[str, Any]
T = TypeVar("T")
Ask = Callable[[Told], Awaitable[Told]]

_ENCODER = msgspec.json.Encoder()
_BREATH = 4  # campaigns between two times that bids may be answered
_MONEY_EVERY = 5.0  # seconds between two times that other workers are asked for their money
_STEPS = 12  # of an incident that are told, the last ones


class Snapshots:
    """Makes snapshots of one bidder.

    Args:
        bidder: what is shown.
        currency: of all amounts.
        drain: on while no bid is made any more.
    """

    def __init__(self, bidder: Bidder, currency: str, drain: Drain) -> None:
        self.bidder, self.currency, self.drain = bidder, currency, drain
        self.operations: Operations = Nothing()
        self.ask: Ask | None = None  # for the money of all workers
        self._kept: dict[str, tuple[tuple[object, ...], msgspec.Raw]] = {}
        self._broken: list[str] = []  # what cannot be told of now
        self._said: set[str] = set()  # of that, what is logged already
        self._told: dict[str, tuple[Incident, msgspec.Raw]] = {}
        self._money: dict[str, Told] = {}
        self._asked = -_MONEY_EVERY

    async def take(self) -> Told:
        """All that is shown. Bids are answered in between."""
        await self._ask()
        bidder, rows = self.bidder, dict[str, Told]()
        self._broken = []
        for k, name in enumerate(list(bidder.served)):
            if k % _BREATH == _BREATH - 1:
                await asyncio.sleep(0)
            if name in bidder.served and name in bidder.days:
                row = self._try(name, partial(self._row, name))
                rows |= {} if row is None else {name: row}
        self._kept = {name: kept for name, kept in self._kept.items() if name in rows}
        incidents = self._try("incidents", self._incidents) or []
        risks = self._try("risks", self._risks) or []
        told = {"bundles": self._bundles(), "campaigns": rows, "incidents": incidents, "risks": risks}
        return told | {"server": self._server() | {"untold": list(self._broken)}}

    def _try(self, what: str, make: Callable[[], T]) -> T | None:
        """What is made; None where that fails: the rest of the page is told all the same."""
        try:
            made = make()
        except Exception:
            self._broken.append(what)
            if what not in self._said:
                LOGGER.exception("the control page cannot tell of %s", what)
            self._said.add(what)
            return None
        self._said.discard(what)
        return made

    def _incidents(self) -> list[msgspec.Raw]:
        """Each is written once, as it does not change: another takes its place."""
        told, before = {}, self._told
        for one in self.operations.incidents():
            kept = before.get(one.id)
            told[one.id] = kept if kept is not None and kept[0] is one else (one, _incident(one))
        self._told = told
        return [raw for _, raw in told.values()]

    def _risks(self) -> list[Told]:
        return [asdict(grid) for grid in self.operations.risks()]

    def _row(self, name: str) -> Told:
        mark = campaign.mark(self.bidder, name)
        kept = self._kept.get(name)
        if kept is None or kept[0] != mark:
            kept = self._kept[name] = mark, msgspec.Raw(_ENCODER.encode(campaign.steady(self.bidder, name)))
        moving = campaign.moving(self.bidder, name)
        moving |= self._money.get(name, {})
        return {"steady": kept[1], "moving": moving}

    def _server(self) -> Told:
        bidder, moment, orders = self.bidder, self.bidder.moment, self.bidder.control.orders
        return {
            "now": bidder.desk.clock(),
            "date": moment.date,
            "slot": moment.slot,
            "slots": bidder.calendar.slots,
            "ends": moment.end,
            "utc_offset": bidder.calendar.offset(moment.start),
            "killed": bidder.killed,
            "breaker": bidder.breaker.open,
            "draining": self.drain.on,
            "ledger": bidder.desk.keeper.well,
            "bids": bidder.bids,
            "auctions": bidder.auctions,
            "orders_pending": len(orders.pending),
            "bidder": orders.bidder,
            "workers": self.ask is not None,
            "events": {cause.value: count for cause, count in bidder.event_counts().items()},
        }

    def _bundles(self) -> Told:
        bidder = self.bidder
        shadow, manifest = bidder.shadow_origin, bidder.bundle.manifest
        return {
            "currency": self.currency,
            "segments": list(manifest.segments),
            "name": manifest.name,
            "newest": bidder.desk.origin.digest,
            "deciding": [asdict(origin) | {"campaigns": n} for origin, n in origins_of(bidder).most_common()],
            "shadow": None if shadow is None else asdict(shadow),
        }

    async def _ask(self) -> None:
        """Ask other workers for their part of the money, now and then."""
        now = asyncio.get_running_loop().time()
        if self.ask is None or now - self._asked < _MONEY_EVERY:
            return
        self._asked = now
        try:
            self._money = await self.ask({name: {} for name in self.bidder.served})
        except LinkLost:
            self._money = {}  # what this worker knows is shown


def changes(before: Told, after: Told) -> Told:
    """The parts of `after` that differ from `before`; campaigns that have gone are named in `gone`."""
    found: Told = {part: value for part, value in after.items() if part != "campaigns" and value != before.get(part)}
    old, new = before["campaigns"], after["campaigns"]
    rows = {name: _differing(old.get(name, {}), row) for name, row in new.items()}
    found["campaigns"] = {name: row for name, row in rows.items() if row}
    gone = [name for name in old if name not in new]
    return found | ({"gone": gone} if gone else {})


def _differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> Told:
    return {part: value for part, value in after.items() if value is not before.get(part) and value != before.get(part)}


def _incident(incident: Incident) -> msgspec.Raw:
    told = incident.model_dump(mode="json", exclude={"slots"})
    return msgspec.Raw(_ENCODER.encode(told | {"steps": told["steps"][-_STEPS:], "alarms": told["alarms"][-_STEPS:]}))
