"""The terms of one impression: what a campaign may show there, in which deal, from which price on.

They are read from the request while it is answered and kept nowhere.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import msgspec

from bidpilot.serving.creatives.piece import Markup, Piece, pieces_of
from bidpilot.serving.ledger.store import MICRO
from bidpilot.serving.messages import BidRequest, Deal, DurFloor, Imp
from bidpilot.serving.restrictions.auction_types import AuctionTypes, Pricing
from bidpilot.serving.restrictions.blocks import allowed
from bidpilot.serving.restrictions.fit import Unfit, unfit_for_format
from bidpilot.serving.restrictions.rates import Rates
from bidpilot.serving.restrictions.visit import Visit

if TYPE_CHECKING:
    from bidpilot.serving.capping.capping import Capping
    from bidpilot.serving.creatives.rotation import Rotation
    from bidpilot.serving.givt.screen import Screen
    from bidpilot.serving.served import ServedCampaign

_MILLE = 1000.0
_PLAYED = (Markup.video, Markup.audio)  # what a floor by the second, or by durations, is for
_MOST_FLOOR = 1e12  # currency per mille
_MOST_QUANTITY = 1e6


class Option(msgspec.Struct, frozen=True, gc=False):
    """One way to buy an impression."""

    deal: str | None  # None: in the open auction
    floor: int  # least bid that counts, micro-units for all of its exposures
    pricing: Pricing


class Showing(msgspec.Struct, frozen=True, gc=False):
    """What a campaign would show in an impression, and the ways to buy it, the best first."""

    piece: Piece
    options: tuple[Option, ...]


class Chosen(msgspec.Struct, frozen=True, gc=False):
    """What a bid shows, and in which deal."""

    piece: Piece
    deal: str | None


class Ready(msgspec.Struct, frozen=True):
    """A campaign made ready for the time of a bid."""

    served: ServedCampaign
    pieces: list[Piece]
    ruled: bool  # whether it has rules of its own for people
    by_creative: bool  # whether a cap is of creatives


class House:
    """What is the same for all requests: rates, auction types, and the campaigns' creatives made ready.

    Args:
        rates: of exchange, into the currency of bids.
        auction_types: what values of `at` mean.
        secure_events: whether events are told to https addresses.
        capping: counts exposures by person; None: campaigns with caps do not bid.
        screen: refuses invalid traffic; None: nothing is.
        rotation: chooses among creatives where a campaign asks for the best; None: they are drawn evenly.
    """

    def __init__(
        self,
        rates: Rates,
        auction_types: AuctionTypes,
        secure_events: bool = True,
        capping: Capping | None = None,
        screen: Screen | None = None,
        rotation: Rotation | None = None,
    ) -> None:
        self.rates, self.auction_types, self.capping, self._secure = rates, auction_types, capping, secure_events
        self.screen, self.rotation = screen, rotation
        self.made_ready: dict[str, Ready] = {}
        """Campaigns by name as they were made ready last; ask `ready` where one has changed since."""

    def visit(self, request: BidRequest, seat: str) -> Visit:
        """A request made ready for the terms of its impressions; `seat`: that would bid."""
        return Visit(request, seat, None if self.screen is None else self.screen.against(request))

    def may_bid(self, visit: Visit, campaigns: Iterable[ServedCampaign], now: float) -> bool:
        """Whether what a request says for all of its impressions leaves a campaign that may bid at `now` (seconds)."""
        if visit.refusal is not None:
            return False
        minor, blocks = visit.may_be_minor and visit.person.minor(now), visit.blocks
        return any(
            (served.minors or not minor)
            and (blocks is None or any(blocks.against(piece) is None for piece in self.of(served).pieces))
            for served in campaigns
        )

    def of(self, served: ServedCampaign) -> Ready:
        """A campaign made ready, now where it has changed since."""
        ready = self.made_ready.get(served.name)
        return ready if ready is not None and ready.served is served else self.ready(served)

    def ready(self, served: ServedCampaign) -> Ready:
        """A campaign with what it has to show, made ready."""
        pieces = pieces_of(served.creatives, served.creative, served.name, self._secure)
        if served.counts_creatives:
            pieces = [msgspec.structs.replace(piece, counted=piece.number) for piece in pieces]
        by_creative = any(cap.per == "creative" for cap in served.caps)
        ready = Ready(served, pieces, bool(served.caps) or served.audience is not None, by_creative)
        self.made_ready[served.name] = ready
        return ready


class Terms:
    """The terms of one impression.

    Args:
        house: what is the same for all requests.
        visit: the request that it is of.
        imp: as it came.
    """

    __slots__ = ("_blocks", "_house", "_imp", "count", "visit")

    def __init__(self, house: House, visit: Visit, imp: Imp) -> None:
        self._house, self.visit, self._imp, self._blocks = house, visit, imp, visit.blocks
        self.count = 1.0 if imp.qty is None else imp.qty.multiplier
        """Exposures that the impression stands for."""

    @property
    def invalid(self) -> str:
        """Why no campaign can bid; empty where one may."""
        return "" if 0 < self.count <= _MOST_QUANTITY else "invalid_quantity"  # also where it is NaN

    def showing(self, served: ServedCampaign, now: float) -> Showing | str:
        """What a campaign would show at a time (seconds since 1970), or why it does not bid."""
        ready, visit = self._house.made_ready.get(served.name), self.visit
        if ready is None or ready.served is not served:
            ready = self._house.ready(served)
        if visit.may_be_minor and not served.minors and visit.person.minor(now):
            return "minors"
        if ready.ruled and (why := self._ruled_out(served, now)) is not None:
            return why
        fitting, why = [], "no_creative"
        for piece in ready.pieces:
            if now < piece.begins:
                why = "not_approved"
            elif now >= piece.ends:
                why = "creative_expired"
            elif (unfit := self._unfit(piece)) is not None:
                why = unfit.value
            elif ready.by_creative and self._seen_enough(served, piece, now):
                why = "creative_capped"
            else:
                fitting.append(piece)
        if len(fitting) == 1 and self._imp.pmp is None:  # as most are
            one = self._in_the_open(fitting[0])
            return Showing(fitting[0], (one,)) if isinstance(one, Option) else one
        first = self._first(served, fitting) if len(fitting) > 1 else 0
        for turn in range(len(fitting)):
            piece = fitting[(first + turn) % len(fitting)]
            options, why = self._options(piece)
            if options:
                return Showing(piece, options)
        return why

    def _ruled_out(self, served: ServedCampaign, now: float) -> str | None:
        """Why the campaign's own rules for people forbid it."""
        if served.audience is not None and (why := served.audience.against(self.visit.person, now)) is not None:
            return why
        return self._capped(served, now) if served.caps else None

    def _capped(self, served: ServedCampaign, now: float) -> str | None:
        """Why a campaign with caps does not bid: the person has seen enough of it, or cannot be told apart."""
        visit, capping = self.visit, self._house.capping
        if capping is None:
            return "caps_unknown"
        if visit.marks is None:
            id = visit.person.id
            if id is None:
                visit.marks = ()
            elif not (marks := capping.marks(id, now)):
                return "caps_unknown"
            else:
                visit.marks = marks
        if not visit.marks:
            return None if served.caps_without_id else "no_user_id"
        if capping.reached(served, visit.marks, now, more=self.count):
            return "capped"
        return "caps_full" if capping.full else None

    def _seen_enough(self, served: ServedCampaign, piece: Piece, now: float) -> bool:
        marks, capping = self.visit.marks, self._house.capping
        return (
            bool(marks) and capping is not None and capping.reached(served, marks or (), now, piece.number, self.count)
        )

    def _unfit(self, piece: Piece) -> Unfit | None:
        if self._imp.secure and not piece.secure:
            return Unfit.insecure
        if self._blocks is not None and (blocked := self._blocks.against(piece)) is not None:
            return blocked
        return unfit_for_format(piece, self._imp)

    def _first(self, served: ServedCampaign, fitting: list[Piece]) -> int:
        rotation = self._house.rotation
        if served.rotation == "even" or rotation is None:
            return self._draw()
        return rotation.best(served.name, fitting)

    def _draw(self) -> int:
        """A number that is as good as drawn, and the same where the request comes again."""
        return zlib.crc32(f"{self.visit.request.id}/{self._imp.id}".encode(errors="replace"))

    # --- ways to buy it --------------------------------------------------------------------------

    def _options(self, piece: Piece) -> tuple[tuple[Option, ...], str]:
        """Our deals from the cheapest on, then the open auction; or why there is no way."""
        pmp = self._imp.pmp
        if pmp is None:
            one = self._in_the_open(piece)
            return ((one,), "") if isinstance(one, Option) else ((), one)
        found, why = [], "private_auction"
        for deal in self._deals(pmp.deals or (), piece):
            floor, currency = deal.bidfloor, deal.bidfloorcur or self._imp.bidfloorcur
            if piece.kind in _PLAYED:
                floor = _floor(floor, deal.mincpmpersec, deal.durfloors, piece.duration)
            one = self._option(deal.id, self.visit.request.at if deal.at is None else deal.at, currency, floor)
            if isinstance(one, str):
                why = one
            else:
                found.append(one)
        found.sort(key=lambda option: option.floor)
        if not pmp.private_auction:
            one = self._in_the_open(piece)
            if isinstance(one, str):
                why = one
            else:
                found.append(one)
        return tuple(found), why

    def _in_the_open(self, piece: Piece) -> Option | str:
        imp = self._imp
        floor, kind = imp.bidfloor, piece.kind
        player = imp.video if kind is Markup.video else imp.audio if kind is Markup.audio else None
        if player is not None and (player.mincpmpersec or player.durfloors):
            floor = _floor(floor, player.mincpmpersec, player.durfloors, piece.duration)
        return self._option(None, self.visit.request.at, imp.bidfloorcur, floor)

    def _deals(self, deals: list[Deal] | tuple[Deal, ...], piece: Piece) -> Iterator[Deal]:
        """Those that are ours with this creative; one without an id cannot be named in the answer, and is none."""
        for deal in deals:
            if not deal.id.strip():
                continue
            if deal.wseat and self.visit.seat not in deal.wseat:
                continue
            if deal.wadomain and not allowed(piece.adomain, deal.wadomain):
                continue
            yield deal

    def _option(self, deal: str | None, at: int, currency: str, floor: float) -> Option | str:
        house = self._house
        pricing = house.auction_types.pricing.get(at)
        if pricing is None:
            return "auction_type"
        if not 0 <= floor < math.inf:  # also where it is NaN
            return "invalid_floor"
        if floor == 0:
            return Option(deal, 0, pricing) if pricing is not Pricing.fixed else "invalid_floor"
        rate = 1.0 if currency == house.rates.own else house.rates.of(currency)
        if rate is None:
            return "floor_currency"
        least = min(floor * rate, _MOST_FLOOR) / _MILLE * self.count
        return Option(deal, -int(-least * MICRO // 1), pricing)


def _floor(base: float, per_second: float | None, by_duration: list[DurFloor] | None, duration: int | None) -> float:
    """The least price per mille for a creative that plays so long; NaN where one of the floors is below 0."""
    if not per_second and not by_duration:
        return base
    floors = [base]
    if per_second:
        floors.append(per_second * (duration or math.nan))
    for entry in by_duration or ():
        within = duration is None or (entry.mindur or 0) <= duration <= (entry.maxdur or math.inf)
        if within:
            floors.append(entry.bidfloor)
    return math.nan if any(not floor >= 0 for floor in floors) else max(floors)
