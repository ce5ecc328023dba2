"""The messages of OpenRTB 2.6: the fields of a bid request that decide a bid, and the bid response.

Field names are the protocol's. Users, devices and addresses are not even decoded. Predicted values come in
`imp.ext.bidpilot`: exposure, interaction, conversion, segment (name or number), source.
"""

from __future__ import annotations

from enum import IntEnum

import msgspec


class NoBidReason(IntEnum):
    """Of the protocol's list (OpenRTB 2.6, List: No-Bid Reason Codes); 500 and above are ours."""

    technical_error = 1
    invalid_request = 2
    insufficient_time = 15
    currency = 500
    seat = 501
    too_many_impressions = 502


class Hints(msgspec.Struct):
    """`ext.bidpilot` of an impression."""

    exposure: float = 1.0
    interaction: float = 0.0
    conversion: float = 0.0
    segment: str | int = 0
    source: int | None = None
    explain: bool = False


class ImpExt(msgspec.Struct):
    """`ext` of an impression."""

    bidpilot: Hints | None = None


class Imp(msgspec.Struct):
    """One impression: one auction."""

    id: str
    bidfloor: float = 0.0
    bidfloorcur: str = "USD"
    tagid: str | None = None
    exp: float | None = None  # seconds between the auction and the exposure
    ext: ImpExt | None = None


class Publisher(msgspec.Struct):
    """Whose inventory it is."""

    id: str | None = None


class Place(msgspec.Struct):
    """A site or an app."""

    publisher: Publisher | None = None


class BidRequest(msgspec.Struct):
    """The request."""

    id: str
    imp: list[Imp]
    at: int = 2
    tmax: int | None = None
    cur: list[str] | None = None
    test: int = 0
    wseat: list[str] | None = None
    bseat: list[str] | None = None
    site: Place | None = None
    app: Place | None = None


class BidObject(msgspec.Struct, omit_defaults=True):
    """One bid."""

    id: str
    impid: str
    price: float
    nurl: str
    burl: str
    lurl: str
    crid: str
    exp: int
    adm: str | None = None
    adomain: tuple[str, ...] = ()
    ext: dict[str, object] | None = None


class SeatBid(msgspec.Struct):
    """Bids of one seat."""

    seat: str
    bid: list[BidObject]


class BidResponse(msgspec.Struct, omit_defaults=True):
    """The response."""

    id: str
    seatbid: list[SeatBid] = []
    cur: str | None = None
    nbr: int | None = None


decode_request = msgspec.json.Decoder(BidRequest).decode
encode = msgspec.json.Encoder().encode
