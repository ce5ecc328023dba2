"""OpenRTB 2.6: requests become opportunities, and bids become responses.

Prices of the protocol are CPM: currency for a thousand exposures; inside the bidder they are micro-units for one.
"""

from __future__ import annotations

import math

from bidpilot.bidding.traffic.sources import Sources
from bidpilot.serving.auction import Bid, Opportunity
from bidpilot.serving.experiments.experiment import Trial
from bidpilot.serving.messages import BidObject, BidRequest, Hints, Imp, NoBidReason
from bidpilot.serving.notices import MACROS, Kind, Signer
from bidpilot.serving.prediction.parts import format_of
from bidpilot.serving.prediction.predictions import Predictions
from bidpilot.serving.prediction.values import Predicted, sound
from bidpilot.serving.restrictions.auction_types import AuctionTypes, Pricing
from bidpilot.serving.restrictions.rates import Rates
from bidpilot.serving.restrictions.terms import House, Terms
from bidpilot.serving.restrictions.visit import Visit

MILLE = 1000.0
NOBODY: Predicted = {}
"""What is told where no predictor of one's own was asked."""


class Reader:
    """Turns impressions into opportunities.

    Args:
        segments: the bundle's.
        sources: tells publishers apart.
        currency: that floors must be in.
        predictions: gives values where an impression brings none.
        most_hold: longest time from bid to bill that is waited for, seconds.
        house: rates, auction types and what campaigns show; None: those of `currency` and of the protocol alone.
    """

    def __init__(
        self,
        segments: tuple[str, ...],
        sources: Sources,
        currency: str,
        predictions: Predictions,
        most_hold: float = math.inf,
        house: House | None = None,
    ) -> None:
        self._segments = {name: i for i, name in enumerate(segments)}
        self.sources, self.currency, self.predictions = sources, currency, predictions
        self._most_hold = most_hold
        self.house = house or House(Rates(currency), AuctionTypes())

    def refusal(self, request: BidRequest, seat: str, min_tmax: int) -> NoBidReason | None:
        """Why the request as a whole cannot be answered; None where it can."""
        if not request.id or not request.imp:
            return NoBidReason.invalid_request
        if request.tmax is not None and request.tmax < min_tmax:
            return NoBidReason.insufficient_time
        if self.answer_currency(request) is None:
            return NoBidReason.currency
        if request.at not in self.house.auction_types.pricing:
            return NoBidReason.auction_type
        if request.wseat and seat not in _seats(request.wseat):
            return NoBidReason.seat
        if request.bseat and seat.lower() in {blocked.lower() for blocked in _seats(request.bseat)}:
            return NoBidReason.seat
        return None

    def answer_currency(self, request: BidRequest) -> str | None:
        """What a request's bids are told in: ours where it may be, else the first whose rate is known; None: none."""
        if not request.cur or self.currency in request.cur:
            return self.currency
        told = [name.strip().upper() for name in request.cur]
        if self.currency in told:
            return self.currency
        return next((name for name in told if self.house.rates.of(name) is not None), None)

    def terms(self, visit: Visit, imp: Imp) -> Terms:
        """What may be shown in an impression of a request, and how it may be bought."""
        return Terms(self.house, visit, imp)

    def opportunity(
        self,
        request: BidRequest,
        imp: Imp,
        asked: bool = False,
        exchange: str | None = None,
        told: Predicted = NOBODY,
        trial: Trial | None = None,
    ) -> Opportunity | str:
        """The auction of an exchange, or why it is not bid on; where it is only `asked` for, no source is counted.

        `told`: what a predictor of one's own said of the request's impressions. `trial`: where the experiment that is
        served puts the request.
        """
        hints = None if imp.ext is None else imp.ext.bidpilot
        source = self._source(request, imp, hints, counted=not asked and request.test != 1)
        if hints is not None:
            value, segment = (hints.exposure, hints.interaction, hints.conversion), hints.segment
            if not sound(value):
                return "invalid_values"  # also where one is NaN
            index = segment if isinstance(segment, int) else self._segments.get(segment, -1)
            if not 0 <= index < len(self._segments):
                return "unknown_segment"
        else:
            found = self.predictions.of(imp, source, told)
            if found is None:
                return "not_predicted"
            value, index = found
        floor = imp.bidfloor
        if not 0.0 <= floor < math.inf:  # also where it is NaN
            return "invalid_floor"
        rate = 1.0
        if floor > 0 and imp.bidfloorcur != self.currency:
            known = self.house.rates.of(imp.bidfloorcur)
            if known is None and imp.pmp is None:  # its deals have floors of their own
                return "floor_currency"
            rate = known or 0.0
        hold = imp.exp or 0.0
        if not hold <= self._most_hold:  # also where it is NaN
            return "hold_too_long"
        return Opportunity(
            value=value,
            segment=index,
            source=source,
            floor=min(floor * rate, 1e12) / MILLE,
            first_price=self.house.auction_types.pricing.get(request.at) is Pricing.first,
            hold=hold,
            test=request.test == 1,
            exchange=exchange,
            format=format_of(imp),
            scale=1.0 if not request.cur or self.currency in request.cur else self._scale(request),
            trial=trial,
        )

    def _scale(self, request: BidRequest) -> float:
        """Units of our currency for one of that of the answer."""
        return self.house.rates.of(self.answer_currency(request) or self.currency) or 1.0

    def _source(self, request: BidRequest, imp: Imp, hints: Hints | None, counted: bool) -> int:
        if hints is not None and hints.source is not None:
            return self.sources.given(hints.source)
        place = request.site or request.app
        publisher = None if place is None else place.publisher
        name = None if publisher is None else publisher.id
        if counted and imp is request.imp[0]:  # one request is one meeting, however many impressions it offers
            return self.sources.meet(name)
        return self.sources.find(name)


class Writer:
    """Turns bids into response objects with signed addresses for their notices."""

    def __init__(self, signer: Signer, url: str) -> None:
        self._signer = signer
        self._at = tuple(f"{url.rstrip('/')}/notice/{kind.value}?t=" for kind in Kind)

    def bid(self, bid: Bid, imp: Imp, parts: object = None) -> BidObject:
        """The bid on an impression."""
        signer, at = self._signer, self._at
        win, bill, loss, event = signer.tokens(signer.pack(bid.ticket))
        event_url = at[3] + event
        ours: dict[str, object] = {"event_url": event_url}
        if parts is not None:
            ours["explain"] = parts
        assert bid.chosen is not None  # the terms of an impression chose it
        piece = bid.chosen.piece
        assert piece.told is not None  # of a campaign made ready
        entry: BidObject = piece.told.__copy__()  # type: ignore[attr-defined]
        entry.id, entry.impid = bid.ticket.key, imp.id
        entry.price = bid.amount / MILLE / bid.ticket.scale
        entry.nurl, entry.burl = f"{at[0]}{win}{MACROS}", f"{at[1]}{bill}{MACROS}"
        entry.lurl = f"{at[2]}{loss}{MACROS}"
        entry.exp = int(bid.expiry)
        entry.adm = piece.markup(imp, event_url)
        entry.dealid = bid.chosen.deal
        entry.ext = {"bidpilot": ours}
        return entry


def _seats(told: list[str]) -> set[str]:
    """Seats of a list, also where several stand in one text."""
    return {seat.strip() for text in told for seat in (text, *text.split(","))}
