"""The application that operators talk to. Without a token: /health, /ready, /metrics. With one:

GET  /admin/campaigns                       all campaigns with their money
PUT  /admin/campaigns/NAME                  add or change one: {"campaign": {...}, "creative": {...}}
POST /admin/campaigns/NAME/pause, /resume
POST /admin/campaigns/NAME/budget           {"budget": 5000}
POST /admin/kill, /admin/revive             stop all bidding, let it go on
POST /admin/explain                         a bid request: the parts of its bids, without bidding
POST /admin/clock                           {"now": SECONDS}, where the clock is manual
"""

from __future__ import annotations

import asyncio
import hmac
from dataclasses import asdict
from typing import Any, Protocol

import msgspec
from pydantic import ValidationError

from bidpilot.bidding.errors import BidpilotError, InvalidServing, LinkLost
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.calendar import ManualClock
from bidpilot.serving.exchange_app import readiness
from bidpilot.serving.http import TEXT, BodyRefused, Request, Response
from bidpilot.serving.ledger.store import MICRO, Wins
from bidpilot.serving.messages import decode_request, encode
from bidpilot.serving.metrics import Metrics
from bidpilot.serving.openrtb import Reader
from bidpilot.serving.served import ServedCampaign

_MOST, _SECONDS = 65_536, 5.0
_MANY = 1 << 40  # seconds: no day lies beyond
_PATIENCE = 200  # turns of 5 milliseconds


class Together(Protocol):
    """Adds up what several workers tell; raises LinkLost where they do not answer."""

    async def metrics(self) -> bytes:
        """The exposition of all."""

    async def campaigns(self, own: dict[str, Any]) -> dict[str, Any]:
        """Campaigns as this worker tells them, with the money of all."""


class AdminApp:
    """Handles requests for one bidder.

    Args:
        bidder: what is administered.
        reader: of bid requests that are to be explained.
        metrics: what /metrics shows.
        token: what `Authorization: Bearer` must bring.
    """

    together: Together | None = None  # where several workers serve: who adds their numbers up

    def __init__(self, bidder: Bidder, reader: Reader, metrics: Metrics, token: str) -> None:
        self.bidder, self.reader, self.metrics = bidder, reader, metrics
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, request: Request) -> Response:
        """Answer one request."""
        if request.path == "/health":
            return Response(200, b'{"status":"ok"}')
        if request.path == "/ready":
            return readiness(self.bidder, draining=False)
        if request.path == "/metrics":
            return await self._exposition()
        if not self.allowed(request.authorization):
            return Response(401, b'{"error":"give the token as Authorization: Bearer TOKEN"}')
        try:
            body = await request.read(_MOST, _SECONDS)
            status, found = self._do(request.method, request.path.strip("/").split("/"), body)
            if request.path == "/admin/clock":
                await self._caught_up()
            if self.together is not None and (request.method, request.path) == ("GET", "/admin/campaigns"):
                found = await self.together.campaigns(found)
        except BodyRefused as refused:
            status, found = refused.status, {"error": refused.why}
        except LinkLost as error:
            status, found = 503, {"error": str(error)}
        except (BidpilotError, msgspec.MsgspecError, ValidationError, UnicodeDecodeError) as error:
            status, found = 400, {"error": " ".join(str(error).split())[:500]}
        return Response(status, encode(found))

    async def _exposition(self) -> Response:
        if self.together is None:
            return Response(200, self.metrics.text(), TEXT)
        try:
            return Response(200, await self.together.metrics(), TEXT)
        except LinkLost as error:
            return Response(503, encode({"error": str(error)}))

    def allowed(self, authorization: str | None) -> bool:
        """Whether the header brings the token, compared in a time that does not tell how much of it is right."""
        return hmac.compare_digest((authorization or "").encode(errors="replace"), self._expected)

    def _do(self, method: str, path: list[str], body: bytes) -> tuple[int, Any]:
        match method, path:
            case "GET", ["admin", "campaigns"]:
                return 200, self.campaigns()
            case "PUT", ["admin", "campaigns", name]:
                self._put(name, msgspec.json.decode(body, type=dict[str, Any]))
                return 200, self._campaign(name)
            case "POST", ["admin", "campaigns", name, action] if name in self.bidder.served:
                self._change(name, action, body)
                return 200, self._campaign(name)
            case "POST", ["admin", ("kill" | "revive") as action]:
                self.bidder.kill(action == "kill")
                return 200, {"killed": self.bidder.killed}
            case "POST", ["admin", "explain"]:
                return 200, self._explain(body)
            case "POST", ["admin", "clock"]:
                return 200, self._move(msgspec.json.decode(body, type=dict[str, float]))
            case _:
                return 404, {"error": "no such path or campaign"}

    def campaigns(self) -> dict[str, Any]:
        """All campaigns with their money, as this bidder knows them."""
        return {name: self._campaign(name) for name in self.bidder.served}

    def _campaign(self, name: str) -> dict[str, Any]:
        served, day = self.bidder.served[name], self.bidder.days[name]
        wallet, state = day.wallet, day.wallet.state
        money = {"free": wallet.free, "promised": wallet.promised, "debt": wallet.debt}
        if state is not None:
            money |= {"budget": state.budget, "settled": state.settled, "held": state.held, "won": state.won}
        return served.model_dump(mode="json") | {
            "money": {part: amount / MICRO for part, amount in money.items()},
            "slot": day.slot,
            "alpha": list(day.alpha),
            "by_plan": day.decision.planned,
            "outstanding": wallet.outstanding,
            "wins": asdict(self.bidder.reconciliation.wins.get(name, Wins())),
            "unbilled": self.bidder.reconciliation.stopped(name),
            "past_debt": self.bidder.past_debt.of(name),
        }

    def _put(self, name: str, given: dict[str, Any]) -> None:
        before = self.bidder.served.get(name)
        base = self.bidder.bundle.manifest.campaign if before is None else before.campaign
        campaign = base.model_dump(mode="json") | dict(given.pop("campaign", {}))
        rest = {} if before is None else before.model_dump(mode="json", exclude={"name", "campaign"})
        self.bidder.put(ServedCampaign.model_validate(rest | given | {"name": name, "campaign": campaign}))

    def _change(self, name: str, action: str, body: bytes) -> None:
        served = self.bidder.served[name]
        if action in ("pause", "resume"):
            self.bidder.put(served.model_copy(update={"paused": action == "pause"}))
            if action == "resume":
                self.bidder.reconciliation.forgive(name)
        elif action == "budget":
            self._put(name, {"campaign": {"budget": msgspec.json.decode(body, type=dict[str, float]).get("budget")}})
        else:
            raise InvalidServing(f"a campaign cannot be asked to {action!r}. Use pause, resume or budget.")

    def _explain(self, body: bytes) -> dict[str, Any]:
        request, found = decode_request(body), {}
        for imp in request.imp:
            opportunity = self.reader.opportunity(request, imp, asked=True)
            found[imp.id] = opportunity if isinstance(opportunity, str) else self.bidder.explain(opportunity)
        return found

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
        """Wait until leases that ran out by the move are renewed: whoever replays a day loses no bid to it."""
        for _ in range(_PATIENCE):
            if all(day.wallet.ready(self.bidder.desk.clock()) for day in self.bidder.days.values()):
                return
            await asyncio.sleep(0.005)
            self.bidder.tick()
