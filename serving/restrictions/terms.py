"""The terms of one impression: what a campaign may show there, in which deal, from which price on.

They are read from the request while it is answered and kept nowhere.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from bidpilot.serving.creatives.piece import Markup, Piece, pieces_of
from bidpilot.serving.ledger.store import MICRO
from bidpilot.serving.messages import BidRequest, Deal, DurFloor, Imp
from bidpilot.serving.restrictions.auction_types import AuctionTypes, Pricing
from bidpilot.serving.restrictions.blocks import Blocks, allowed
from bidpilot.serving.restrictions.fit import Unfit, unfit_for_format
from bidpilot.serving.restrictions.rates import Rates

if TYPE_CHECKING:
    from bidpilot.serving.served import ServedCampaign

_MILLE = 1000.0
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


class House:
    """What is the same for all requests: rates, auction types, and the campaigns' creatives made ready.

    Args:
        rates: of exchange, into the currency of bids.
        auction_types: what values of `at` mean.
        secure_events: whether events are told to https addresses.
    """

    def __init__(self, rates: Rates, auction_types: AuctionTypes, secure_events: bool = True) -> None:
        self.rates, self.auction_types, self._secure = rates, auction_types, secure_events
        self._ready: dict[str, tuple[ServedCampaign, list[Piece]]] = {}

    def pieces(self, served: ServedCampaign) -> list[Piece]:
        """What a campaign has to show."""
        kept = self._ready.get(served.name)
        if kept is None or kept[0] is not served:
            pieces = pieces_of(served.creatives, served.creative, served.name, self._secure)
            kept = self._ready[served.name] = (served, pieces)
        return kept[1]


class Terms:
    """The terms of one impression.

    Args:
        house: what is the same for all requests.
        request, imp: as they came.
        blocks: of the request; None where it blocks nothing.
        seat: that would bid.
    """

    __slots__ = ("_blocks", "_house", "_imp", "_request", "_seat", "count")

    def __init__(self, house: House, request: BidRequest, imp: Imp, blocks: Blocks | None, seat: str) -> None:
        self._house, self._request, self._imp, self._blocks, self._seat = house, request, imp, blocks, seat
        self.count = 1.0 if imp.qty is None else imp.qty.multiplier
        """Exposures that the impression stands for."""

    @property
    def invalid(self) -> str:
        """Why no campaign can bid; empty where one may."""
        return "" if 0 < self.count <= _MOST_QUANTITY else "invalid_quantity"  # also where it is NaN

    def showing(self, served: ServedCampaign, now: float) -> Showing | str:
        """What a campaign would show at a time (seconds since 1970), or why it does not bid."""
        regs = self._request.regs
        if regs is not None and regs.coppa and not served.minors:
            return "minors"
        fitting, why = [], "no_creative"
        for piece in self._house.pieces(served):
            if now < piece.begins:
                why = "not_approved"
            elif now >= piece.ends:
                why = "creative_expired"
            elif (unfit := self._unfit(piece)) is not None:
                why = unfit.value
            else:
                fitting.append(piece)
        first = self._draw() if len(fitting) > 1 else 0
        for turn in range(len(fitting)):
            piece = fitting[(first + turn) % len(fitting)]
            options, why = self._options(piece)
            if options:
                return Showing(piece, options)
        return why

    def _unfit(self, piece: Piece) -> Unfit | None:
        if self._imp.secure and not piece.secure:
            return Unfit.insecure
        blocked = None if self._blocks is None else self._blocks.against(piece)
        return blocked or unfit_for_format(piece, self._imp)

    def _draw(self) -> int:
        """A number that is as good as drawn, and the same where the request comes again."""
        return zlib.crc32(f"{self._request.id}/{self._imp.id}".encode(errors="replace"))

    # --- ways to buy it --------------------------------------------------------------------------

    def _options(self, piece: Piece) -> tuple[tuple[Option, ...], str]:
        """Our deals from the cheapest on, then the open auction; or why there is no way."""
        pmp = self._imp.pmp
        if pmp is None:
            one = self._in_the_open(piece)
            return ((), one) if isinstance(one, str) else ((one,), "")
        found, why = [], "private_auction"
        for deal in self._deals(pmp.deals or (), piece):
            floor = _floor(deal.bidfloor, deal.mincpmpersec, deal.durfloors, piece.duration)
            one = self._option(deal.id, self._request.at if deal.at is None else deal.at, deal.bidfloorcur, floor)
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
        if player is not None:
            floor = _floor(floor, player.mincpmpersec, player.durfloors, piece.duration)
        return self._option(None, self._request.at, imp.bidfloorcur, floor)

    def _deals(self, deals: list[Deal] | tuple[Deal, ...], piece: Piece) -> Iterator[Deal]:
        """Those that are ours with this creative."""
        for deal in deals:
            if deal.wseat and self._seat not in deal.wseat:
                continue
            if deal.wadomain and not allowed(piece.adomain, deal.wadomain):
                continue
            yield deal

    def _option(self, deal: str | None, at: int, currency: str, floor: float) -> Option | str:
        pricing = self._house.auction_types.of(at)
        if pricing is None:
            return "auction_type"
        if not 0 <= floor < math.inf:  # also where it is NaN
            return "invalid_floor"
        if floor == 0:
            return Option(deal, 0, pricing) if pricing is not Pricing.fixed else "invalid_floor"
        rate = self._house.rates.of(currency)
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
