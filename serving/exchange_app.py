"""The application that exchanges talk to: bid requests and notices.

POST /openrtb2/bid      200 with bids or a no-bid reason, 204 for no bid, 400, 408, 413, 415; 403, 429 for others
POST /openrtb2/bid/TOKEN    the same, from the exchange of this token
GET  /notice/{win,bill,loss}?t=TICKET&p=PRICE&m=MIN_TO_WIN    204, 400, 403; 503 for a win or a bill: send it again
GET  /notice/event?t=TICKET&e=TYPE&n=COUNT&v=VALUE, or &i=INTERACTIONS&c=CONVERSIONS    204, 400, 403
GET  /health, /ready
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from typing import Any

from bidpilot.bidding.errors import InvalidNotice, InvalidRequest
from bidpilot.serving.access import ANYONE, Access, Partner, Refused
from bidpilot.serving.auction import NoBid
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.drain import Drain
from bidpilot.serving.experiments.experiment import Trial
from bidpilot.serving.http import JSON, BodyRefused, Request, Response
from bidpilot.serving.messages import BidRequest, BidResponse, Imp, NoBidReason, encode
from bidpilot.serving.metrics import Metrics
from bidpilot.serving.notices import Kind, Signer, Ticket, Unread, read_notice
from bidpilot.serving.offer import Offer, no_bid
from bidpilot.serving.openrtb import MILLE, NOBODY, Reader, Writer
from bidpilot.serving.prediction.values import Predicted
from bidpilot.serving.privacy.faults import where
from bidpilot.serving.reading.body import inflate, packed, wants_gzip
from bidpilot.serving.reading.request import apart, read_request
from bidpilot.serving.restrictions.terms import Terms
from bidpilot.serving.restrictions.visit import Visit
from bidpilot.serving.told import read_told

BID_PATH, NOTICE_PATH = "/openrtb2/bid", "/notice/"
_HEADERS = [*JSON, ("x-openrtb-version", "2.6")]
_PACKED = [*_HEADERS, ("content-encoding", "gzip")]
_REFUSED = {
    403: Response(403, b'{"error":"not an exchange that is served here"}'),
    429: Response(429, b'{"error":"too many wrong tokens from this address: wait a minute"}'),
}
_NO_BID = Response(204)
_WAITED = 0.01  # seconds in the loop's queue after which the client may have gone; to watch it costs a tenth of a bid
_MOST_TMAX = 1_000_000_000  # milliseconds


class ExchangeApp:
    """Handles requests for one bidder.

    Args:
        access: who may ask for bids; notices are known by their signatures.
        drain: on while no bid is to be made.
        watch: measures how long a request has taken since it arrived, seconds.
    """

    def __init__(
        self,
        bidder: Bidder,
        config: ServeConfig,
        signer: Signer,
        reader: Reader,
        writer: Writer,
        metrics: Metrics,
        access: Access | None = None,
        drain: Drain | None = None,
        watch: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.bidder, self.config, self.signer = bidder, config, signer
        self.reader, self.writer, self.metrics = reader, writer, metrics
        self.access, self.drain, self.watch = access or Access(), drain or Drain(), watch

    async def __call__(self, request: Request) -> Response:
        """Answer one request."""
        path = request.path
        if path == BID_PATH:
            return await self._bid(request, None)
        if path.startswith(NOTICE_PATH):
            return await self._notice(request)
        if path == "/health":
            return Response(200, b'{"status":"ok"}')
        if path == "/ready":
            return readiness(self.bidder, self.drain.on)
        if self.access.told_apart and path.startswith(BID_PATH + "/"):
            return await self._bid(request, path[len(BID_PATH) + 1 :])
        return Response(404, b'{"error":"no such path"}')

    # --- bid requests ----------------------------------------------------------------------------

    async def _bid(self, request: Request, token: str | None) -> Response:
        if request.method != "POST":
            return Response(405, b'{"error":"send bid requests with POST"}')
        partner = ANYONE if self.access.open else self.access.admit(request.peer, request.authorization, token)
        if isinstance(partner, Refused):
            self.metrics.refuse(partner.why)
            return _REFUSED[partner.status]
        begun = self.watch()
        arrived = begun if request.arrived is None else request.arrived
        hangup = request.hangup() if begun - arrived > _WAITED else None
        try:
            raw = await request.read(self.config.max_body, self.config.body_timeout)
            if (encoding := request.header("content-encoding")) is not None:
                raw = inflate(raw, encoding, self.config.max_body)
            decoded = read_request(raw, self.metrics.forms)
            predictions, told, visit = self.reader.predictions, NOBODY, None
            if predictions.own is not None and (visit := self._welcome(decoded, partner)) is not None:
                told = await predictions.ask(decoded, raw, self._due(decoded, arrived) - self.watch())
            body, offer = self.answer(decoded, partner, arrived, told, visit)
            if offer.bids and hangup is not None and hangup.gone:
                self.metrics.refuse("client_gone")
                offer.withdraw()
                body = None
        except BodyRefused as refused:
            self.metrics.refuse(refused.why)
            return Response(refused.status, encode({"error": refused.why}))
        except InvalidRequest as error:
            self.metrics.refuse("not_openrtb")
            return Response(400, encode({"error": str(error)}))
        finally:
            if hangup is not None:
                hangup.close()
        self.metrics.latency.add(self.watch() - arrived)
        if body is None:
            return _NO_BID
        small = packed(body) if wants_gzip(request.header("accept-encoding")) else None
        return Response(200, body, _HEADERS) if small is None else Response(200, small, _PACKED)

    def answer(
        self,
        request: BidRequest,
        partner: Partner,
        arrived: float,
        told: Predicted = NOBODY,
        visit: Visit | None = None,
    ) -> tuple[bytes | None, Offer]:
        """The response of a request that arrived then (`watch`), encoded, with its bids.

        `told`: what a predictor of one's own said of its impressions; `visit`: the request made ready, where it is.
        Bids that are not in it hold nothing any more: those that came too late, or did not fit in.
        """
        offer, due = Offer(self.bidder), self._due(request, arrived)
        response = self._respond(request, partner, due, offer, told, visit)
        try:
            body = None if response is None else encode(response)
            if body is not None and len(body) > self.config.max_response:
                for _ in range(offer.fit(len(body), self.config.max_response)):
                    self.metrics.refuse("response_too_large")
                response = offer.response(request.id, partner.seat or self.config.seat, self._currency(request))
                body = None if response is None else encode(response)
        except Exception as error:  # what a campaign's creative or an explanation holds may not be text
            body = encode(self._failed(request, offer, error))
        if offer.bids and self.watch() >= due:
            body = encode(self._too_late(request, offer))
        return body, offer

    def respond(self, request: BidRequest, partner: Partner = ANYONE) -> BidResponse | None:
        """The response to a request that arrives now; None for no bid without a reason."""
        due, told, visit = self._due(request, now := self.watch()), NOBODY, None
        predictions = self.reader.predictions
        if predictions.own is not None and (visit := self._welcome(request, partner)) is not None:
            told = predictions.wait(request, due - now)
        return self._respond(request, partner, due, Offer(self.bidder), told, visit)

    def _welcome(self, request: BidRequest, partner: Partner) -> Visit | None:
        """The request made ready; None where there will be no bid, so that nobody is to be asked for values."""
        seat = partner.seat or self.config.seat
        if self.drain.on or self._refusal(request, seat) is not None:
            return None
        house, bidder = self.reader.house, self.bidder
        try:
            visit = house.visit(request, seat)
            return visit if house.may_bid(visit, bidder.served.values(), bidder.desk.clock()) else None
        except Exception:  # it fails again where the answer to that is made
            return None

    def _respond(
        self,
        request: BidRequest,
        partner: Partner,
        due: float,
        offer: Offer,
        told: Predicted,
        visit: Visit | None,
    ) -> BidResponse | None:
        if self.drain.on:
            self.metrics.refuse("draining")
            return None
        seat = partner.seat or self.config.seat
        refusal = self._refusal(request, seat)
        if refusal is not None:
            self.metrics.refuse(refusal.name)
            return no_bid(request.id, refusal)
        try:
            imps, twins = apart(request.imp)
            if twins:
                self.metrics.refuse("duplicate_imp", twins)
                if not imps:
                    return no_bid(request.id, NoBidReason.invalid_request)
            visit = visit or self.reader.house.visit(request, seat)
            experiment = self.bidder.experiment
            trial = None if experiment is None else experiment.assign(request, visit.person)
            for imp in imps:
                if self.watch() >= due:
                    return self._too_late(request, offer)
                self._bid_for(request, imp, partner, self.reader.terms(visit, imp), offer, told, trial)
        except Exception as error:  # whatever fails, the exchange gets an answer
            return self._failed(request, offer, error)
        return offer.response(request.id, seat, self._currency(request))

    def _currency(self, request: BidRequest) -> str:
        return self.reader.answer_currency(request) or self.config.currency

    def _bid_for(
        self,
        request: BidRequest,
        imp: Imp,
        partner: Partner,
        terms: Terms,
        offer: Offer,
        told: Predicted,
        trial: Trial | None,
    ) -> None:
        found = (terms.count != 1.0 and terms.invalid) or self.reader.opportunity(
            request, imp, exchange=partner.name, told=told, trial=trial
        )
        if isinstance(found, str):
            self.metrics.refuse(found)
            return
        parts = None
        if self.config.explain and imp.ext is not None and imp.ext.bidpilot and imp.ext.bidpilot.explain:
            parts = self.bidder.explain(found)
        made = self.bidder.bid(found, terms)
        if not isinstance(made, NoBid):
            offer.made(made)
            offer.written(self.writer.bid(made, imp, parts))

    def _refusal(self, request: BidRequest, seat: str) -> NoBidReason | None:
        if len(request.imp) > self.config.max_imp:
            return NoBidReason.too_many_impressions
        return self.reader.refusal(request, seat, self.config.min_tmax)

    def _due(self, request: BidRequest, arrived: float) -> float:
        """When an answer must have left (`watch`): `tmax` runs from arrival, the network's part of it left."""
        tmax = request.tmax
        if tmax is None or tmax > _MOST_TMAX:
            return math.inf
        return arrived + (tmax - self.config.network_ms) / 1000

    def _failed(self, request: BidRequest, offer: Offer, error: Exception) -> BidResponse:
        offer.withdraw()
        self.bidder.breaker.failed(where(error))
        self.metrics.refuse("technical_error")
        return no_bid(request.id, NoBidReason.technical_error)

    def _too_late(self, request: BidRequest, offer: Offer) -> BidResponse:
        offer.withdraw()
        self.metrics.refuse("late")
        return no_bid(request.id, NoBidReason.insufficient_time)

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
            told, scale = notice.min_to_win, ticket.scale
            # a price of ours is divided once: a product with a thousandth may be off by a rounding
            least = None if told is None else told * scale / MILLE / ticket.count
            price = notice.price if isinstance(notice.price, Unread) else notice.price * scale / MILLE
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
    ledger = bidder.desk.keeper.well
    ready = not draining and not bidder.killed and ledger and any(campaigns.values())
    body = encode({"ready": ready, "killed": bidder.killed, "ledger": ledger, "campaigns": campaigns})
    return Response(200 if ready else 503, body)
