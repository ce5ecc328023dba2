"""What a request says, read from its JSON by the specification's types: beside the server's reader, not with it.

As exchanges write them: null is absent, a number may be text, a flag true or false, an id a number, a list of one bare
and an empty object a list. An impression or a deal that cannot be read is not there.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

RATINGS = ("TV-Y", "TV-Y7", "TV-Y7-FV", "C", "C8", "P", "EC")
Read = Callable[[Any], Any]


class Unread(Exception):
    """Raised for what has no form that exchanges write."""


def number(value: Any) -> float | int:
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", value):
        return float(value)
    if not isinstance(value, int | float):
        raise Unread(value)
    return value


def whole(value: Any) -> int:
    told = number(value)
    if told != int(told):
        raise Unread(value)
    return int(told)


def cut(value: Any) -> int:
    return int(number(value))


def text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise Unread(value)
    return str(int(value) if isinstance(value, float) and value.is_integer() and value < 2**53 else value)


def name_or_place(value: Any) -> str | int:
    return value if isinstance(value, str) else whole(value)


def flag(value: Any) -> bool:
    if isinstance(value, str | list | dict) or value not in (0, 1):
        raise Unread(value)
    return bool(value)


def many(read: Read) -> Read:
    return lambda value: [read(one) for one in (value if isinstance(value, list) else [value]) if one is not None]


def those(read: Read) -> Read:
    """The readable ones."""

    def found(value: Any) -> list[Any]:
        told = []
        for one in value if isinstance(value, list) else [value]:
            try:
                told.append(read(one))
            except Unread:
                continue
        return told

    return found


def thing(_needs: str = "", _usual: dict[str, Any] | None = None, **fields: Read) -> Read:
    def found(value: Any) -> dict[str, Any]:
        value = {} if value == [] else value
        if not isinstance(value, dict) or (_needs and value.get(_needs) is None):
            raise Unread(value)
        told = {name: read(value[name]) for name, read in fields.items() if value.get(name) is not None}
        return (_usual or {}) | told

    return found


PRICE = {"bidfloor": 0.0, "bidfloorcur": "USD"}
FLOORS = many(thing(mindur=cut, maxdur=cut, bidfloor=number))
PLAYER = thing(
    mimes=many(text), w=cut, h=cut, minduration=cut, maxduration=cut, rqddurs=many(whole), mincpmpersec=number,
    durfloors=FLOORS, protocols=many(whole), linearity=whole, battr=many(whole), api=many(whole),
)  # fmt: skip
BANNER = thing(
    w=cut, h=cut, format=many(thing(w=cut, h=cut)), mimes=many(text), btype=many(whole), battr=many(whole),
    api=many(whole),
)  # fmt: skip
DEAL = thing(
    "id", PRICE, id=text, bidfloor=number, bidfloorcur=text, at=whole, wseat=many(text), wadomain=many(text),
    mincpmpersec=number, durfloors=FLOORS,
)  # fmt: skip
HINTS = thing(exposure=number, interaction=number, conversion=number, segment=name_or_place, source=whole, explain=flag)
IMP = thing(
    "id", PRICE, id=text, bidfloor=number, bidfloorcur=text, video=PLAYER, audio=PLAYER, banner=BANNER, secure=whole,
    native=thing(request=text, battr=many(whole), api=many(whole)),
    exp=number, qty=thing(multiplier=number), ext=thing(bidpilot=HINTS),
    pmp=thing(private_auction=whole, deals=those(DEAL)),
)  # fmt: skip
REQUEST = thing(
    "id", {"at": 2}, id=text, at=whole, tmax=cut, cur=many(text), test=whole, wseat=many(text), bseat=many(text),
    badv=many(text), bcat=many(text), cattax=whole, bapp=many(text), wlang=many(text), wlangb=many(text),
    acat=many(text), imp=those(IMP), regs=thing(coppa=whole, gdpr=whole, ext=thing(gdpr=whole)),
)  # fmt: skip


def told(request: Any) -> dict[str, Any]:
    """A request in the protocol's own forms; `site`, `app` and `user` as they came.

    Raises:
        Unread: it is none, so that nobody may bid.
    """
    found: dict[str, Any] = REQUEST(request)
    return found | {name: request.get(name) for name in ("site", "app", "user")}


def for_children(place: Any) -> bool:
    """Whether what a site or an app shows may be made for children."""
    if place is None or place == []:
        return False
    content = place.get("content") if isinstance(place, dict) else 7
    if content is None or content == []:
        return False
    rating = content.get("contentrating") if isinstance(content, dict) else ()
    return isinstance(rating, bool | list | tuple | dict) or str(rating).strip().upper() in RATINGS


def perhaps_minor(user: Any, year: int) -> bool:
    """Whether a user may be below 18 in a year, where that may be read."""
    if not isinstance(user, dict):
        return "yob" in str(user)
    if user.get("yob") is None:
        return False
    try:
        born = whole(user["yob"])
    except Unread:
        return True
    return born != 0 and not year - 130 < born <= year - 19
