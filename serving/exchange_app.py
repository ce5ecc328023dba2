"""The application that exchanges talk to: bid requests and notices.

POST /openrtb2/bid      200 with bids or a no-bid reason, 204 for no bid, 400, 408, 413
GET  /notice/{win,bill,loss}?t=TICKET&p=PRICE&m=MIN_TO_WIN    204, 400, 403; 503 for a win or a bill: send it again
GET  /notice/event?t=TICKET&e=TYPE&n=COUNT&v=VALUE, or &i=INTERACTIONS&c=CONVERSIONS    204, 400, 403
GET  /health, /ready
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import msgspec

from bidpilot.bidding.errors import InvalidNotice
from bidpilot.serving.auction import NoBid
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.http import JSON, BodyRefused, Request, Response
from bidpilot.serving.messages import BidObject, BidRequest, BidResponse, NoBidReason, SeatBid, decode_request, encode
from bidpilot.serving.metrics import Metrics
from bidpilot.serving.notices import Kind, Signer, Ticket, Unread, read_notice
from bidpilot.serving.openrtb import MILLE, Reader, Writer
from bidpilot.serving.told import read_told

BID_PATH, NOTICE_PATH = "/openrtb2/bid", "/notice/"
_HEADERS = [*JSON, ("x-openrtb-version", "2.6")]


class ExchangeApp:
    """Handles requests for one bidder."""

    def __init__(
        self, bidder: Bidder, config: ServeConfig, signer: Signer, reader: Reader, writer: Writer, metrics: Metrics
    ) -> None:
        self.bidder, self.config, self.signer = bidder, config, signer
        self.reader, self.writer, self.metrics = reader, writer, metrics
        self.draining = False

    async def __call__(self, request: Request) -> Response:
        """Answer one request."""
        if request.path == BID_PATH:
            return await self._bid(request)
        if request.path.startswith(NOTICE_PATH):
            return await self._notice(request)
        if request.path == "/health":
            return Response(200, b'{"status":"ok"}')
        if request.path == "/ready":
            return readiness(self.bidder, self.draining)
        return Response(404, b'{"error":"no such path"}')

    # --- bid requests ----------------------------------------------------------------------------

    async def _bid(self, request: Request) -> Response:
        if request.method != "POST":
            return Response(405, b'{"error":"send bid requests with POST"}')
        start = time.perf_counter()
        try:
            decoded = decode_request(await request.read(self.config.max_body, self.config.body_timeout))
        except BodyRefused as refused:
            self.metrics.refuse(refused.why)
            return Response(refused.status, encode({"error": refused.why}))
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            self.metrics.refuse("not_openrtb")
            return Response(400, encode({"error": str(error)[:200]}))
        response = self.respond(decoded)
        self.metrics.latency.add(time.perf_counter() - start)
        return Response(204) if response is None else Response(200, encode(response), _HEADERS)

    def respond(self, request: BidRequest) -> BidResponse | None:
        """The response; None for no bid without a reason."""
        refusal = self.reader.refusal(request, self.config.seat, self.config.min_tmax)
        if refusal is not None:
            self.metrics.refuse(refusal.name)
            return BidResponse(id=request.id, nbr=refusal.value)
        try:
            bids = self._bids(request)
        except Exception as error:  # whatever a predictor raises, the exchange gets an answer
            self.bidder.breaker.failed(f"{type(error).__name__}: {error}")
            self.metrics.refuse("technical_error")
            return BidResponse(id=request.id, nbr=NoBidReason.technical_error.value)
        if not bids:
            return None
        return BidResponse(id=request.id, seatbid=[SeatBid(self.config.seat, bids)], cur=self.config.currency)

    def _bids(self, request: BidRequest) -> list[BidObject]:
        bids = []
        for imp in request.imp:
            found = self.reader.opportunity(request, imp)
            if isinstance(found, str):
                self.metrics.refuse(found)
                continue
            parts = None
            if self.config.explain and imp.ext is not None and imp.ext.bidpilot and imp.ext.bidpilot.explain:
                parts = self.bidder.explain(found)
            made = self.bidder.bid(found)
            if not isinstance(made, NoBid):
                bids.append(self.writer.bid(made, imp, parts))
        return bids

    # --- notices ---------------------------------------------------------------------------------

    async def _notice(self, request: Request) -> Response:
        name = request.path[len(NOTICE_PATH) :]
        if name not in Kind.__members__ or request.method not in ("GET", "POST"):
            return Response(404, b'{"error":"no such notice"}')
        try:
            notice = read_notice(request.query)
            try:
                ticket = self.signer.open(notice.token, Kind(name))
            except InvalidNotice:
                self.bidder.notices["forged"] += 1
                return Response(403, b'{"error":"not signed by this bidder"}')
            least = None if notice.min_to_win is None else notice.min_to_win / MILLE
            price = notice.price if isinstance(notice.price, Unread) else notice.price / MILLE
            if name in (Kind.bill, Kind.win):
                if not await self._durable(
                    self.bidder.bill if name == Kind.bill else self.bidder.win, ticket, price, least
                ):
                    return Response(503, b'{"error":"not booked, send it again"}')
            elif name == Kind.loss:
                self.bidder.loss(ticket, least)
            else:
                self.bidder.outcome(ticket, read_told(request.query))
        except InvalidNotice as error:
            return Response(400, encode({"error": str(error)}))
        return Response(204)

    async def _durable(
        self, book: Callable[..., None], ticket: Ticket, price: float | Unread, least: float | None
    ) -> bool:
        """Book a win or a bill and wait until it is durable; False where the store is not available."""
        waiting: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def done(result: object | None) -> None:
            if not waiting.done():  # the exchange may have hung up meanwhile; it is booked all the same
                waiting.set_result(result is not None)

        book(ticket, price, least, done)
        return await waiting


def readiness(bidder: Bidder, draining: bool) -> Response:
    """The answer to /ready: whether bids can be made now."""
    now = bidder.desk.clock()
    campaigns: dict[str, Any] = {name: day.wallet.ready(now) for name, day in bidder.days.items()}
    ready = not draining and not bidder.killed and any(campaigns.values())
    body = encode({"ready": ready, "killed": bidder.killed, "campaigns": campaigns})
    return Response(200 if ready else 503, body)
