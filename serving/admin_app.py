"""The application that operators talk to. Without a token: /health, /ready, /metrics, and the files of the page
(`serving.page`) at / and /page/. With one:

GET    /admin/campaigns                     all campaigns with their money
GET    /admin/bidders                       what each bidder of the store takes to be ordered
GET    /admin/stream                        what the page shows, as server-sent events
GET    /admin/page/NAME                     one campaign's running day, slot by slot
GET    /admin/bundle                        which bundle decides, and which is to
GET    /admin/campaigns/NAME/spend          ?from=DATE&to=DATE: its days by the ledger, by channel, with results
POST   /admin/explain                       a bid request: the parts of its bids, without bidding
POST   /admin/campaigns/NAME/pause, /resume
POST   /admin/kill, /admin/revive           stop all bidding, let it go on
PUT    /admin/campaigns/NAME                add or change one: {"campaign": {...}, "creatives": [...]}
DELETE /admin/campaigns/NAME                stop one for good; what is still told of its bids is booked
POST   /admin/campaigns/NAME/budget         {"budget": 5000}; "from": DATE lets it hold from that day on, not at once
GET    /admin/experiment                    and below it: `bidpilot.serving.experiments.admin`
GET    /admin/incidents                     and below it: `bidpilot.serving.incidents.admin`
POST   /admin/bundle                        {"path": FOLDER}: another bundle, from the next slot on
POST   /admin/clock                         {"now": SECONDS}, where the clock is manual

GET and explain need a token that may read, the next two one that may operate, the others one that may direct. An order
is answered 200 once it is durable and all bidders of the store obey it. Else 202: it is in force here, and `durable`,
`reached` and `missing` say how far it has come; it is tried again until it is durable.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any, Protocol

import msgspec
from pydantic import ValidationError

from bidpilot.bidding.errors import BidpilotError, InvalidServing, LedgerUnavailable, LinkLost, UnknownIncident
from bidpilot.serving import swap
from bidpilot.serving.access import Attempts
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.calendar import ManualClock, date_of
from bidpilot.serving.changing import Given, changed, merged, settings_of
from bidpilot.serving.drain import Drain
from bidpilot.serving.exchange_app import readiness
from bidpilot.serving.experiments import admin as experiments
from bidpilot.serving.explaining import explained
from bidpilot.serving.http import TEXT, BodyRefused, Request, Response
from bidpilot.serving.incidents import admin as incidents
from bidpilot.serving.ledger.store import MICRO, Seen, Wins
from bidpilot.serving.messages import encode
from bidpilot.serving.metrics import Metrics
from bidpilot.serving.openrtb import Reader
from bidpilot.serving.orders import Pending
from bidpilot.serving.page.page import Page
from bidpilot.serving.page.same_origin import foreign
from bidpilot.serving.prediction import refresh
from bidpilot.serving.privacy.audit import FILE, AuditLog
from bidpilot.serving.privacy.auditor import Auditor
from bidpilot.serving.reach import Reach, shown
from bidpilot.serving.reading.request import read_request
from bidpilot.serving.served import ServedCampaign
from bidpilot.serving.spend import spend_of
from bidpilot.serving.tokens import Role, Tokens, Who

_MOST, _SECONDS = 65_536, 5.0
_MANY = 253_370_000_000  # seconds: in the year 9999, beyond which no date lies
_Order = Callable[[ServedCampaign, str, list[str]], list[Pending]]
_PATIENCE = 200  # turns of 5 milliseconds


class Together(Protocol):
    """Speaks for several workers; raises LinkLost where they do not answer."""

    async def metrics(self) -> bytes:
        """The exposition of all."""

    async def campaigns(self, own: dict[str, Any]) -> dict[str, Any]:
        """Campaigns as this worker tells them, with the money of all."""

    async def bundle(self, body: bytes) -> tuple[int, dict[str, Any]]:
        """Have every worker take the bundle that the body of POST /admin/bundle names."""

    async def predictor(self, body: bytes) -> tuple[int, dict[str, Any]]:
        """Have every worker take the rates that the body of POST /admin/predictor names."""


class AdminApp:
    """Handles requests for one bidder.

    Args:
        bidder: what is administered.
        reader: of bid requests that are to be explained.
        metrics: what /metrics shows.
        tokens: who may bring what as `Authorization: Bearer TOKEN`.
        drain: on while no bid is made any more.
        attempts: counts wrong tokens by who brings them.
        swap: brings other bundles in; None: the bidder stays with its own.
        refresh: brings other rates of the predictor in; None: it stays with its own.
        page: the control page; None: there is none.
        audit: where actions are told; None: beside the bidder's state.
        seat: that bids, where requests are explained.
    """

    together: Together | None = None  # where several workers serve

    def __init__(
        self,
        bidder: Bidder,
        reader: Reader,
        metrics: Metrics,
        tokens: Tokens,
        drain: Drain | None = None,
        attempts: Attempts | None = None,
        swap: swap.Swap | None = None,
        refresh: refresh.Refresh | None = None,
        page: Page | None = None,
        audit: AuditLog | None = None,
        seat: str = "bidpilot",
    ) -> None:
        self.bidder, self.reader, self.metrics, self.tokens = bidder, reader, metrics, tokens
        self.drain, self.attempts, self.swap = drain or Drain(), attempts or Attempts(), swap
        self.seat, self.refresh = seat, refresh
        self._reach = Reach(bidder.control.orders)
        self.page = page
        self.auditor = Auditor(bidder, audit or AuditLog(bidder.desk.state.path.with_name(FILE)))

    async def __call__(self, request: Request) -> Response:
        """Answer one request."""
        if request.path == "/health":
            return Response(200, b'{"status":"ok"}')
        if request.path == "/ready":
            return readiness(self.bidder, self.drain.on)
        if request.path == "/metrics":
            return await self._exposition()
        if self.page is not None and (file := self.page.file(request)) is not None:
            return file
        if foreign(request):
            return Response(403, b'{"error":"another site\'s page asks for this: use the page of this server"}')
        given = request.authorization
        if given is not None and self.attempts.blocked(request.peer, given):
            return Response(429, b'{"error":"too many wrong tokens from this address: wait a minute"}')
        who = self.tokens.who(given)
        if who is None:
            if given is not None:
                self.attempts.failed(request.peer, given)
            return Response(401, b'{"error":"give the token as Authorization: Bearer TOKEN"}')
        path = request.path.strip("/").split("/")
        needed = _needed(request.method, path)
        if self.page is not None and request.method == "GET" and path == ["admin", "stream"]:  # any token may read
            return self.page.stream(who, None if self.together is None else self.together.campaigns)
        with self.auditor.watching(who, request, needed) as watched:
            watched.status, found = await self._obey(who, request, path, needed)
        await watched.durable()
        return Response(watched.status, encode(found))

    async def _obey(self, who: Who, request: Request, path: list[str], needed: Role) -> tuple[int, Any]:
        """Status and body of the answer to whoever is known."""
        if who.role < needed:
            why = f"{who.name} may {who.role.name}, and this needs a token that may {needed.name}"
            return 403, {"error": why}
        try:
            body = await request.read(_MOST, _SECONDS)
            return await self._do(who, request, path, body)
        except BodyRefused as refused:
            return refused.status, {"error": refused.why}
        except UnknownIncident as error:
            return 404, {"error": str(error)}
        except (LedgerUnavailable, LinkLost) as error:
            return 503, {"error": str(error)}
        except (BidpilotError, msgspec.MsgspecError, ValidationError, UnicodeError, RecursionError) as error:
            return 400, {"error": " ".join(str(error).split())[:500]}

    async def _exposition(self) -> Response:
        if self.together is None:
            return Response(200, self.metrics.text(), TEXT)
        try:
            return Response(200, await self.together.metrics(), TEXT)
        except LinkLost as error:
            return Response(503, encode({"error": str(error)}))

    async def _do(self, who: Who, request: Request, path: list[str], body: bytes) -> tuple[int, Any]:
        match request.method, path:
            case "GET", ["admin", "campaigns"]:
                found = self.campaigns()
                return 200, found if self.together is None else await self.together.campaigns(found)
            case "GET", ["admin", "bidders"]:
                return 200, await self._bidders()
            case "GET", ["admin", "campaigns", name, "spend"] if name in self.bidder.served:
                return 200, await spend_of(self.bidder, name, request.query, self.reader.currency)
            case "GET", ["admin", "page", name] if self.page is not None and name in self.bidder.served:
                return 200, self.page.campaign(name)
            case "GET", ["admin", "experiment"]:
                return 200, experiments.shown(self.bidder)
            case "POST", ["admin", "experiment", "stop"]:
                given = await experiments.stop(self.bidder, who.name, body)
                return await self._answer(given, experiments.shown(self.bidder))
            case "PUT", ["admin", "campaigns", name]:
                reached = experiments.parts(self.bidder.experiment, name, "put")
                told = settings_of(body, name)
                return await self._answer(self._change(who, name, reached, lambda *_: told), self._campaign(name))
            case "DELETE", ["admin", "campaigns", name] if name in self.bidder.served:
                experiments.parts(self.bidder.experiment, name, "delete")
                given = [*self.bidder.remove(name, who.name), *self._change(who, name, {}, lambda *_: {"paused": True})]
                return await self._answer(given, {"name": name, "deleted": True})
            case "POST", ["admin", "campaigns", name, action] if self._reached(name, action):
                reached = self._reached(name, action)
                today = date_of(self.bidder.moment_of(next(iter(reached))).day)
                orders = self._change(who, name, reached, partial(changed, action=action, body=body, today=today))
                found = {part: self._campaign(part) for part in reached}
                return await self._answer(orders, found.get(name, found))
            case "POST", ["admin", ("kill" | "revive") as action]:
                given = self.bidder.kill(action == "kill", who.name)
                return await self._answer(given, {"killed": self.bidder.killed})
            case "POST", ["admin", "bundle"] if self.together is not None:
                return await self.together.bundle(body)
            case _, ["admin", "bundle"] if self.swap is not None:
                return await swap.answer(self.swap, request.method, body)
            case "POST", ["admin", "predictor"] if self.together is not None:
                return await self.together.predictor(body)
            case _, ["admin", "predictor"] if self.refresh is not None:
                return await refresh.answer(self.refresh, request.method, body)
            case "GET", ["admin", "incidents"]:
                return 200, incidents.shown(self.bidder.responder, request.query)
            case "GET", ["admin", "incidents", id]:
                return 200, incidents.whole(self.bidder.responder.get(id))
            case "POST", ["admin", "incidents", id, action]:
                acted = incidents.act(self.bidder.responder, who.name, id, action, body)
                return await self._answer(acted, incidents.whole(self.bidder.responder.get(id)))
            case "POST", ["admin", "explain"]:
                wanted = read_request(body, Counter())
                values = await self.reader.predictions.ask(wanted, body, math.inf)
                return 200, explained(self.bidder, self.reader, self.seat, wanted, values)
            case "POST", ["admin", "clock"]:
                moved = self._move(msgspec.json.decode(body, type=dict[str, float]))
                await self._caught_up()
                return 200, moved
            case _:
                return 404, {"error": "no such path or campaign"}

    async def _answer(self, given: Sequence[Pending], found: dict[str, Any]) -> tuple[int, Any]:
        """The answer to an order that is in force here: 200 where it is all that it is to be."""
        become = await self._reach.follow(given)
        whole = become["durable"] and become.get("missing", []) == []
        return 200 if whole else 202, found | become

    async def _bidders(self) -> dict[str, Any]:
        orders, believed = self.bidder.control.orders, self.bidder.control.believes()
        own = {orders.bidder: Seen(orders.version, 0.0, believed)}
        seen = await self._reach.bidders() if orders.shared else {}
        here = shown(own)
        here[orders.bidder] |= {"pending": len(orders.pending)}
        return {"bidders": shown(seen or {}) | here, "store": "does not answer" if seen is None else "answers"}

    def campaigns(self) -> dict[str, Any]:
        """All campaigns with their money, as this bidder knows them."""
        return {name: self._campaign(name) for name in self.bidder.served}

    def _campaign(self, name: str) -> dict[str, Any]:
        served, day = self.bidder.served[name], self.bidder.days[name]
        wallet, state = day.wallet, day.wallet.state
        money = {"free": wallet.free, "promised": wallet.promised, "debt": wallet.debt}
        if state is not None:
            money |= {"budget": state.budget, "settled": state.settled, "held": state.held, "won": state.won}
        left = self.bidder.desk.budgets.left(served, day.moment)
        if left is not None:
            money["flight_left"] = left
        return served.model_dump(mode="json") | {
            "money": {part: amount / MICRO for part, amount in money.items()},
            "slot": day.slot,
            "alpha": list(day.alpha),
            "by_plan": day.decision.planned,
            "outstanding": wallet.outstanding,
            "wins": asdict(self.bidder.reconciliation.wins.get(name, Wins())),
            "unbilled": self.bidder.reconciliation.stopped(name),
            "past_debt": self.bidder.past_debt.of(name),
            "bundle": day.desk.origin.digest,
        }

    def _change(self, who: Who, name: str, reached: Mapping[str, float], given: Given) -> list[Pending]:
        """Order what is `given` of each campaign that is `reached`, by its share: of all, or of none where one cannot.

        It is kept of the campaign without arms, too, where it is ordered of all of it.
        """
        control, usual = self.bidder.control, self.bidder.bundle.manifest.campaign
        made: list[tuple[_Order, ServedCampaign, list[str]]] = []
        for part, share in reached.items():
            before = control.served.get(part)
            made.append((control.put, *merged(before, part, given(before, share), usual)))
        whole = control.split.get(experiments.kept_by(self.bidder.experiment, name) or "")
        if whole is not None:
            made.append((control.keep, *merged(whole, whole.name, given(whole, 1.0), usual)))
        return [one for order, served, fields in made for one in order(served, who.name, fields)]

    def _reached(self, name: str, action: str) -> dict[str, float]:
        """The campaigns that an action reaches, with their shares of an amount; none where none is served."""
        reached = experiments.parts(self.bidder.experiment, name, action)
        return reached if reached.keys() <= self.bidder.served.keys() else {}

    def _move(self, given: dict[str, float]) -> dict[str, Any]:
        clock = self.bidder.desk.clock
        if not isinstance(clock, ManualClock):
            raise InvalidServing("the clock is the wall's. Start the server with --clock manual to move it.")
        now = given.get("now", -1.0)
        if not 0 <= now < _MANY:
            raise InvalidServing(f"now is {now}; give seconds since 1970.")
        clock.move(now)
        self.bidder.tick()
        return {"now": clock(), "date": self.bidder.moment.date, "slot": self.bidder.moment.slot}

    async def _caught_up(self) -> None:
        """Wait until slots and days have begun and leases are renewed: whoever replays a day loses no bid to a move."""
        for _ in range(_PATIENCE):
            now = self.bidder.desk.clock()
            if not self.bidder.busy and all(day.wallet.ready(now) for day in self.bidder.days.values()):
                return
            await asyncio.sleep(0.005)
            self.bidder.tick()


def _needed(method: str, path: list[str]) -> Role:
    """The role that a request needs."""
    if method == "GET" or path[1:] == ["explain"]:
        return Role.read
    operated = path[-1] in ("pause", "resume", "kill", "revive") or path[1:2] == ["incidents"]
    return Role.operate if operated and method == "POST" else Role.direct
