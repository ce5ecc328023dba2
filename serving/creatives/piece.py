"""Creatives made ready for the time of a bid: sets in place of lists, markup cut at its macros."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from enum import IntEnum

import msgspec

from bidpilot.serving.creatives.creative import (
    AnyCreative,
    AudioCreative,
    BannerCreative,
    NativeCreative,
    VideoCreative,
    insecure,
)
from bidpilot.serving.creatives.macros import Template
from bidpilot.serving.creatives.native import Assets
from bidpilot.serving.creatives.old import OldCreative
from bidpilot.serving.creatives.vast import protocol_of
from bidpilot.serving.messages import BidObject, Imp


class Markup(IntEnum):
    """What markup is: `mtype` of a bid (OpenRTB 2.6, 4.3.3)."""

    banner = 1
    video = 2
    audio = 3
    native = 4


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """A creative of a campaign, ready to be held against impressions."""

    crid: str
    campaign: str  # its name
    kind: Markup
    adomain: tuple[str, ...]
    begins: float = -math.inf  # from when on it may be shown, seconds since 1970; inf: it may not
    ends: float = math.inf
    mtype: int | None = None  # what the bid says that its markup is; None where it has none
    template: Template | None = None  # None: the exchange knows the creative by its id
    assets: Assets | None = None  # of a native one
    secure: bool = True
    cat: tuple[str, ...] = ()
    cattax: int = 1
    attr: tuple[int, ...] = ()
    api: int | None = None
    language: str | None = None
    bundle: str | None = None
    mimes: frozenset[str] = frozenset()  # empty: not told
    w: int | None = None
    h: int | None = None
    duration: int | None = None  # seconds
    protocol: int | None = None
    type: int | None = None  # of a banner
    number: int = 0  # of its id, where exposures are counted
    counted: int = 0  # the same, where its campaign counts them
    told: BidObject | None = None  # what all of its bids say of it

    def markup(self, imp: Imp, event_url: str) -> str | None:
        """What is sent to be shown, with the signed address of its events; None where the exchange knows it by id."""
        if self.template is not None:
            return self.template.filled(event_url)
        if self.assets is None or imp.native is None:
            return None
        return self.assets.markup(imp.native.request, event_url)


def number_of(crid: str) -> int:
    """What a creative is counted under, 32 bits."""
    return zlib.crc32(crid.encode(errors="replace"))


def piece_of(creative: AnyCreative, campaign: str, secure_events: bool) -> Piece:
    """A creative of a campaign; `secure_events`: whether events are told to https addresses."""
    common = {name: getattr(creative, name) for name in _COMMON}
    match creative:
        case VideoCreative() | AudioCreative():
            markup = creative.markup
            common |= {
                "kind": Markup.video if isinstance(creative, VideoCreative) else Markup.audio,
                "mimes": frozenset(mime.lower() for mime in creative.mimes),
                "duration": creative.duration,
                "protocol": protocol_of(markup),
            }
        case BannerCreative():
            markup = creative.adm
            mimes = () if creative.mime is None else (creative.mime.lower(),)
            common |= {"kind": Markup.banner, "type": creative.type, "mimes": frozenset(mimes)}
        case NativeCreative():
            markup, assets = "", Assets.of(creative, campaign)
            common |= {"kind": Markup.native, "assets": assets}
    if isinstance(creative, VideoCreative | BannerCreative):
        common |= {"w": creative.w, "h": creative.h}
    template = Template(markup, campaign, creative.crid) if markup else None
    tells = True if template is None else template.tells_events
    secure = secure_events or not tells
    common |= {"begins": creative.begins, "ends": creative.ends, "mtype": int(common["kind"])}
    common |= {"number": number_of(creative.crid)}
    return Piece(campaign=campaign, template=template, secure=secure, **common)


def pieces_of(creatives: Sequence[AnyCreative], old: OldCreative, campaign: str, secure_events: bool) -> list[Piece]:
    """What a campaign has to show; the old form alone where it is given."""
    if not old.given:
        return [_telling(piece_of(creative, campaign, secure_events)) for creative in creatives]
    template = None if old.adm is None else Template(old.adm, campaign, old.crid)
    tells = template is not None and template.tells_events
    return [
        _telling(
            Piece(
                crid=old.crid,
                number=number_of(old.crid),
                campaign=campaign,
                kind=Markup.video,
                adomain=tuple(domain.strip().lower().rstrip(".") for domain in old.adomain),
                template=template,
                mtype=None if template is None else int(Markup.video),
                secure=(secure_events or not tells) and not (old.adm is not None and insecure(old.adm)),
            )
        )
    ]


def _telling(piece: Piece) -> Piece:
    """A piece with what all of its bids say of it, so that no bid has to put it together."""
    told = BidObject(
        id="", impid="", price=0.0, nurl="", burl="", lurl="", exp=0,
        cid=piece.campaign,
        crid=piece.crid,
        adomain=piece.adomain,
        bundle=piece.bundle,
        cattax=piece.cattax if piece.cat else None,
        cat=piece.cat,
        attr=piece.attr,
        apis=() if piece.api is None else (piece.api,),
        protocol=piece.protocol,
        language=piece.language,
        w=piece.w,
        h=piece.h,
        dur=piece.duration,
        mtype=piece.mtype,
    )  # fmt: skip
    return msgspec.structs.replace(piece, told=told)


_COMMON = ("crid", "adomain", "cat", "cattax", "attr", "api", "language", "bundle")
