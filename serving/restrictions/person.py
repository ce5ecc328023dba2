"""Who would see an exposure, as far as a rule asks for it and it may be read.

Where the GDPR holds and no consent string is told, nothing of `user` but the place of that string is looked at, and of
`device` neither region nor advertising id. The same holds for children's traffic (COPPA). What is read is kept nowhere.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from bidpilot.serving.messages import UNREAD, UNTOLD, BidRequest, Place
from bidpilot.serving.reading.forms import Unreadable, reader_of

ADULT = 18
"""Age from which on somebody is no minor, years."""

_FOR_CHILDREN = frozenset({"TV-Y", "TV-Y7", "TV-Y7-FV", "C", "C8", "P", "EC"})
"""Content ratings of what is made for children: TV Parental Guidelines, Canada's and Australia's, ESRB."""

Kind = Literal["user", "device"]

_NO_YEAR = 1  # in place of a year that is told and cannot be read

_Y, _ESCAPE = ord("y"), ord("\\")  # of yob, and of how its name may be written, too


class _UserExt(msgspec.Struct, gc=False):
    consent: str | None = None


class _Consent(msgspec.Struct, gc=False):
    """All that is read of a user before consent is known."""

    consent: str | None = None
    ext: _UserExt | None = None


class _User(msgspec.Struct, gc=False):
    id: str | None = None
    buyeruid: str | None = None
    yob: int | None = None


class _Geo(msgspec.Struct, gc=False):
    country: str | None = None
    region: str | None = None


class _Device(msgspec.Struct, gc=False):
    ifa: str | None = None
    lmt: int | None = None
    dnt: int | None = None
    geo: _Geo | None = None


class Whole:
    """Reads a struct of an object that was left as bytes: strictly, and loosely where that fails.

    What of it cannot be read counts as absent.

    Args:
        struct: all of whose fields may be absent.
        unread: what stands for fields that are told and cannot be read, where a rule must know of that.
    """

    def __init__(self, struct: type[Any], **unread: object) -> None:
        self._struct, self._unread = struct, unread
        self._strict = msgspec.json.Decoder(struct).decode
        self._loose = reader_of(struct)
        self._none = struct()

    def __call__(self, raw: msgspec.Raw) -> Any:
        """The struct; with nothing in it where there is none, or it cannot be read."""
        if raw is UNTOLD:
            return self._none
        try:
            return self._strict(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            pass
        try:
            tree = msgspec.json.decode(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return self._none
        unread: dict[str, object] = {}
        while isinstance(tree, dict):
            try:
                found = self._loose(tree, Counter())
            except Unreadable as error:  # which costs that field alone
                name = error.path.lstrip(".").replace("[", ".").partition(".")[0]
                del tree[name]
                if name in self._unread:
                    unread[name] = self._unread[name]
            else:
                return msgspec.structs.replace(found, **unread) if unread else found
        hidden = {name: value for name, value in self._unread.items() if name.encode() in bytes(raw)}
        return self._struct(**hidden) if hidden else self._none


_consent, _user, _device = Whole(_Consent), Whole(_User, yob=_NO_YEAR), Whole(_Device)


class Person:
    """The person of one request: made once for all of its impressions, and only where a request tells of one.

    Args:
        request: as it came.
    """

    __slots__ = ("_device", "_request", "_user", "child", "consent")

    def __init__(self, request: BidRequest) -> None:
        self._request = request
        self._user: _User | None = None
        self._device: _Device | None = None
        regs = request.regs
        self.child = regs is not None and bool(regs.coppa)
        """Whether the request says that it is of children, or that what is seen is made for them, or unreadable."""
        self.consent = True
        """Whether data of the person may be read."""
        if regs is not None:
            gdpr = regs.gdpr if regs.gdpr is not None or regs.ext is None else regs.ext.gdpr
            self.consent = not gdpr or _told_consent(request)
        if not self.child:
            self.child = _for_children(request.site) or _for_children(request.app)

    @property
    def readable(self) -> bool:
        """Whether data of the person may be read: there is consent where it is needed, and nobody speaks of a child."""
        return self.consent and not self.child

    def minor(self, now: float) -> bool:
        """Whether this may be a child, or somebody who is not of age at `now` (seconds since 1970).

        A year of birth that is told and can be none may be a minor's; 0 is none told.
        """
        if self.child:
            return True
        age = self.age(now)
        return age < ADULT if age is not None else self.readable and bool(self.user.yob)

    def age(self, now: float) -> int | None:
        """The least age that somebody of that year of birth may have, years; None where it is not told."""
        if not self.readable:
            return None
        year, born = datetime.fromtimestamp(now, UTC).year, self.user.yob
        return None if born is None or not year - 130 < born <= year else max(year - born - 1, 0)

    @property
    def region(self) -> tuple[str, str] | None:
        """Country (ISO 3166-1, three letters) and region within it, as DEU and BY; None where it is not known."""
        geo = self.device.geo if self.readable else None
        country = "" if geo is None or geo.country is None else geo.country.strip().upper()
        if geo is None or len(country) != 3:
            return None
        return country, (geo.region or "").strip().upper().rpartition("-")[2]

    @property
    def id(self) -> str | None:
        """What the person is known by; None where it is nothing."""
        known = self.known
        return None if known is None else known[0]

    @property
    def known(self) -> tuple[str, Kind] | None:
        """The buyer's id of the person, the exchange's, or the device's where tracking is not limited; and whose."""
        if not self.readable:
            return None
        user = self.user
        if found := _id(user.buyeruid) or _id(user.id):
            return found, "user"
        device = self.device
        found = "" if device.lmt or device.dnt else _id(device.ifa).lower()  # some send it in capitals
        return (found, "device") if found else None

    @property
    def user(self) -> _User:
        """`user`; ask only where it is `readable`."""
        if self._user is None:
            self._user = _user(self._request.user)
        return self._user

    @property
    def device(self) -> _Device:
        """`device`; ask only where it is `readable`."""
        if self._device is None:
            self._device = _device(self._request.device)
        return self._device


def _id(text: str | None) -> str:
    """An id; empty where it is that of all who have none."""
    return text if text and text.strip("0-") else ""


def tells_age(request: BidRequest) -> bool:
    """Whether there may be anything in a request by which somebody is a minor; what is not there is not decoded."""
    raw = request.user
    # single bytes first: they are found in a tenth of the time
    if raw is not UNTOLD and ((_Y in (user := bytes(raw)) and b"yob" in user) or _ESCAPE in user):
        return True
    regs, site, app = request.regs, request.site, request.app
    if (site is not None and site.content is not None) or (app is not None and app.content is not None):
        return True
    return regs is not None and bool(regs.coppa)


def _told_consent(request: BidRequest) -> bool:
    raw = request.user
    if b'consent"' not in bytes(raw):
        return False
    found = _consent(raw)
    text = found.consent or ("" if found.ext is None else found.ext.consent)
    return bool(text and text.strip())


def _for_children(place: Place | None) -> bool:
    content = None if place is None else place.content
    rating = None if content is None else content.contentrating
    return rating is not None and (rating == UNREAD or rating.strip().upper() in _FOR_CHILDREN)
