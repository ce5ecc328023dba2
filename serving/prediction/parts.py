"""The parts of a bid request that a predictor may see. Field names are OpenRTB 2.6's; what is not given is None.

No part has a field for what names a person or a device: ids, addresses, user agents and coordinates are not decoded.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Part(msgspec.Struct, frozen=True, gc=False):
    """A part of a request."""


class Geo(Part, frozen=True):
    """Where a device or a user is, no closer than a postal code."""

    country: str | None = None  # ISO 3166-1, three letters
    region: str | None = None
    metro: str | None = None
    city: str | None = None
    zip: str | None = None
    utcoffset: int | None = None  # minutes


class Device(Part, frozen=True):
    """What the exposure would be seen on."""

    devicetype: int | None = None
    make: str | None = None
    model: str | None = None
    os: str | None = None
    osv: str | None = None
    language: str | None = None
    carrier: str | None = None
    connectiontype: int | None = None
    w: int | None = None
    h: int | None = None
    dnt: int | None = None
    lmt: int | None = None
    geo: Geo | None = None


class Segment(Part, frozen=True):
    """A segment of an audience."""

    id: str | None = None
    name: str | None = None
    value: str | None = None


class Data(Part, frozen=True):
    """What one provider says of a user."""

    id: str | None = None
    name: str | None = None
    segment: list[Segment] | None = None


class User(Part, frozen=True):
    """Who would see it, as far as the law and the user let it be told."""

    yob: int | None = None
    gender: str | None = None
    keywords: str | None = None
    geo: Geo | None = None
    data: list[Data] | None = None


class Publisher(Part, frozen=True):
    """Whose inventory it is."""

    id: str | None = None
    name: str | None = None
    cat: list[str] | None = None
    domain: str | None = None


class Producer(Part, frozen=True):
    """Who made the content."""

    id: str | None = None
    name: str | None = None


class Content(Part, frozen=True):
    """What is played or read around the exposure."""

    id: str | None = None
    title: str | None = None
    series: str | None = None
    season: str | None = None
    episode: int | None = None
    genre: str | None = None
    cat: list[str] | None = None
    cattax: int | None = None
    contentrating: str | None = None
    keywords: str | None = None
    language: str | None = None
    len: int | None = None  # seconds
    livestream: int | None = None
    context: int | None = None
    producer: Producer | None = None


class Place(Part, frozen=True):
    """A site or an app."""

    id: str | None = None
    name: str | None = None
    domain: str | None = None
    bundle: str | None = None
    page: str | None = None
    cat: list[str] | None = None
    sectioncat: list[str] | None = None
    pagecat: list[str] | None = None
    keywords: str | None = None
    mobile: int | None = None
    publisher: Publisher | None = None
    content: Content | None = None


class Size(Part, frozen=True):
    """A size that a banner may have, pixels."""

    w: int | None = None
    h: int | None = None


class Banner(Part, frozen=True):
    """A banner that is asked for."""

    w: int | None = None
    h: int | None = None
    format: list[Size] | None = None
    pos: int | None = None


class Player(Part, frozen=True):
    """A video or an audio that is asked for."""

    mimes: list[str] | None = None
    w: int | None = None
    h: int | None = None
    minduration: int | None = None  # seconds
    maxduration: int | None = None
    startdelay: int | None = None
    placement: int | None = None
    plcmt: int | None = None
    linearity: int | None = None
    skip: int | None = None
    pos: int | None = None


class Native(Part, frozen=True):
    """A native advertisement that is asked for; its assets are text."""

    request: str | None = None


class Impression(Part, frozen=True):
    """One impression."""

    id: str
    tagid: str | None = None
    bidfloor: float = 0.0  # per mille
    bidfloorcur: str = "USD"
    instl: int | None = None
    rwdd: int | None = None
    secure: int | None = None
    video: Player | None = None
    audio: Player | None = None
    native: Native | None = None
    banner: Banner | None = None

    @property
    def format(self) -> str:
        """Which format it asks for: one of `FORMATS`."""
        return format_of(self)


FORMATS = ("video", "audio", "native", "banner")
SEVERAL, ANY = "several", "any"


def format_of(imp: Any) -> str:
    """The one format that an impression asks for, `several` of them, or `any` where it names none."""
    video, audio, native = imp.video is not None, imp.audio is not None, imp.native is not None
    banner = imp.banner is not None
    if video + audio + native + banner > 1:
        return SEVERAL
    return "video" if video else "banner" if banner else "native" if native else "audio" if audio else ANY
