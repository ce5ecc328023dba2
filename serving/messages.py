"""The messages of OpenRTB 2.6: the fields of a bid request that decide a bid, and the bid response.

Field names are the protocol's. `user`, `device` and `source` stay bytes until a rule asks for one of their fields
(`restrictions.consent`, `restrictions.person`, `givt.chain`). Predicted values come in `imp.ext.bidpilot`: exposure,
interaction, conversion, segment (name or number), source.
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar

import msgspec

UNTOLD = msgspec.Raw(b"null")
"""Of an object that is not there."""

UNREAD = "\0unreadable"
"""In place of a text that is there, and cannot be read, where a rule must know of that."""

UNREAD_SECTION = 1 << 16
"""In place of sections of the Global Privacy Platform that are named and cannot be read: one that no string has."""


def _untold() -> msgspec.Raw:
    return UNTOLD  # made by a call, as a schema of the request could not show bytes as a default


class NoBidReason(IntEnum):
    """Of the protocol's list (OpenRTB 2.6, List: No-Bid Reason Codes); 500 and above are ours."""

    technical_error = 1
    invalid_request = 2
    insufficient_time = 15
    currency = 500
    seat = 501
    too_many_impressions = 502
    auction_type = 503


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


class DurFloor(msgspec.Struct, gc=False):
    """A floor for creatives of some durations, seconds; a bound that is left out is open."""

    mindur: int | None = None
    maxdur: int | None = None
    bidfloor: float = 0.0


class Deal(msgspec.Struct, gc=False):
    """A deal that a seat may have with the publisher."""

    id: str
    bidfloor: float = 0.0
    bidfloorcur: str | None = None  # None: that of the impression, whose currency is that of all its floors
    at: int | None = None
    wseat: list[str] | None = None
    wadomain: list[str] | None = None
    mincpmpersec: float | None = None
    durfloors: list[DurFloor] | None = None


class Pmp(msgspec.Struct, gc=False):
    """The private marketplace of an impression."""

    private_auction: int | None = None
    deals: list[Deal] | None = None


class Qty(msgspec.Struct, gc=False):
    """How many exposures an impression stands for, as on screens in public places."""

    multiplier: float = 1.0


class Format(msgspec.Struct, gc=False):
    """A size that a banner may have."""

    w: int | None = None
    h: int | None = None


class Banner(msgspec.Struct, gc=False):
    """What a banner must be."""

    w: int | None = None
    h: int | None = None
    format: list[Format] | None = None
    mimes: list[str] | None = None
    btype: list[int] | None = None
    battr: list[int] | None = None
    api: list[int] | None = None


class Player(msgspec.Struct, gc=False):
    """What a video or an audio must be."""

    mimes: list[str] | None = None
    w: int | None = None
    h: int | None = None
    minduration: int | None = None
    maxduration: int | None = None
    rqddurs: list[int] | None = None
    mincpmpersec: float | None = None
    durfloors: list[DurFloor] | None = None
    protocols: list[int] | None = None
    linearity: int | None = None
    battr: list[int] | None = None
    api: list[int] | None = None


class Native(msgspec.Struct, gc=False):
    """What a native advertisement must be; its assets are text in `request`."""

    request: str | None = None
    battr: list[int] | None = None
    api: list[int] | None = None


class Imp(msgspec.Struct):
    """One impression: one auction."""

    id: str
    bidfloor: float = 0.0
    bidfloorcur: str = "USD"
    exp: float | None = None  # seconds between the auction and the exposure
    ext: ImpExt | None = None
    video: Player | None = None
    banner: Banner | None = None
    audio: Player | None = None
    native: Native | None = None
    pmp: Pmp | None = None
    qty: Qty | None = None
    secure: int | None = None


class Publisher(msgspec.Struct):
    """Whose inventory it is."""

    id: str | None = None


class Content(msgspec.Struct, gc=False):
    """What is seen around the exposure."""

    contentrating: str | None = None

    unread: ClassVar[dict[str, object]] = {"contentrating": UNREAD}
    """What stands for a field of a place that cannot be read; such a field costs no other."""


class Place(msgspec.Struct):
    """A site or an app."""

    publisher: Publisher | None = None
    content: Content | None = None

    unread: ClassVar[dict[str, object]] = {"publisher": None, "content": Content(UNREAD)}


class Site(Place):
    """A site."""

    domain: str | None = None
    page: str | None = None

    unread: ClassVar[dict[str, object]] = Place.unread | {"domain": UNREAD, "page": UNREAD}


class App(Place):
    """An app."""

    bundle: str | None = None

    unread: ClassVar[dict[str, object]] = Place.unread | {"bundle": UNREAD}


_OPT_OUTS: dict[str, object] = {"us_privacy": UNREAD, "gpp": UNREAD, "gpp_sid": [UNREAD_SECTION]}


class RegsExt(msgspec.Struct, gc=False):
    """`ext` of the regulations, where 2.5 has them."""

    gdpr: int | None = None
    us_privacy: str | None = None
    gpp: str | None = None
    gpp_sid: list[int] | None = None

    unread: ClassVar[dict[str, object]] = _OPT_OUTS
    malformed: ClassVar[str] = "malformed_opt_out"


class Regs(msgspec.Struct, gc=False):
    """Regulations that hold for the request."""

    coppa: int | None = None
    gdpr: int | None = None
    us_privacy: str | None = None
    gpp: str | None = None
    gpp_sid: list[int] | None = None
    ext: RegsExt | None = None

    unread: ClassVar[dict[str, object]] = _OPT_OUTS
    malformed: ClassVar[str] = "malformed_opt_out"


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
    site: Site | None = None
    app: App | None = None
    badv: list[str] | None = None
    bcat: list[str] | None = None
    cattax: int | None = None
    bapp: list[str] | None = None
    wlang: list[str] | None = None
    wlangb: list[str] | None = None
    acat: list[str] | None = None
    regs: Regs | None = None
    user: msgspec.Raw = msgspec.field(default_factory=_untold)
    device: msgspec.Raw = msgspec.field(default_factory=_untold)
    source: msgspec.Raw = msgspec.field(default_factory=_untold)

    unread: ClassVar[dict[str, object]] = {
        "site": Site(content=Content(UNREAD), domain=UNREAD),
        "app": App(content=Content(UNREAD), bundle=UNREAD),
    }


class BidObject(msgspec.Struct, omit_defaults=True):
    """One bid."""

    id: str
    impid: str
    price: float
    nurl: str
    burl: str
    lurl: str
    cid: str
    crid: str
    exp: int
    adm: str | None = None
    adomain: tuple[str, ...] = ()
    bundle: str | None = None
    cattax: int | None = None
    cat: tuple[str, ...] = ()
    attr: tuple[int, ...] = ()
    apis: tuple[int, ...] = ()
    protocol: int | None = None
    language: str | None = None
    dealid: str | None = None
    w: int | None = None
    h: int | None = None
    dur: int | None = None
    mtype: int | None = None
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
