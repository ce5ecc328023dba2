"""What a predictor sees of a request: typed parts that are decoded when they are looked at, and not before."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from bidpilot.serving.prediction.parts import Device, Geo, Impression, Part, Place, Regulated, User
from bidpilot.serving.reading.forms import Unreadable, reader_of

_NONE = msgspec.Raw(b"null")
_MARK = b"\xef\xbb\xbf"
P = TypeVar("P", bound=Part)


class _Whole(msgspec.Struct, frozen=True):
    """A request, none of whose parts is looked into."""

    imp: msgspec.Raw = _NONE
    site: msgspec.Raw = _NONE
    app: msgspec.Raw = _NONE
    device: msgspec.Raw = _NONE
    user: msgspec.Raw = _NONE
    regs: msgspec.Raw = _NONE


class _Impressions(Part, frozen=True):
    imp: list[Impression]


def _maker(part: type[P]) -> Callable[[msgspec.Raw], P | None]:
    """Decodes a part strictly, else in looser forms; None where it is absent or cannot be read."""
    strict: Callable[[msgspec.Raw], P | None] = msgspec.json.Decoder(part | None).decode
    loose = reader_of(part)

    def make(raw: msgspec.Raw) -> P | None:
        try:
            return strict(raw)
        except msgspec.MsgspecError:
            pass
        try:
            found: P = loose(msgspec.json.decode(raw), Counter())
        except (msgspec.MsgspecError, Unreadable):
            return None
        return found

    return make


_whole = msgspec.json.Decoder(_Whole).decode
_imps = msgspec.json.Decoder(list[Impression]).decode
_loose_imps = reader_of(_Impressions)
_place, _device, _user, _regulated = _maker(Place), _maker(Device), _maker(User), _maker(Regulated)


class RequestView:
    """A bid request as a predictor may see it. It cannot be changed.

    There is no user, and of the device's place the country alone, where nobody has said that more may be used: GDPR
    holds and there is no consent string, the user is a child (`coppa`) or has opted out (`us_privacy`, `lmt`, `dnt`),
    or what would say so cannot be read.

    Args:
        raw: the request's JSON.
        ids: of the impressions that values are wanted for, which are each their own.
        at: when it came, seconds since 1970.
    """

    __slots__ = ("_at", "_ids", "_parts", "_raw")

    def __init__(self, raw: bytes, ids: Sequence[str], at: float) -> None:
        self._raw, self._ids, self._at = raw, ids, at
        self._parts: dict[str, Any] = {}

    @property
    def impressions(self) -> tuple[Impression, ...]:
        """(I,) impressions that values are wanted for, in the order of the values."""
        return self._once("impressions", self._impressions)  # type: ignore[no-any-return]

    @property
    def site(self) -> Place | None:
        """The site, where it is one."""
        return self._once("site", lambda: _place(self._whole.site))  # type: ignore[no-any-return]

    @property
    def app(self) -> Place | None:
        """The app, where it is one."""
        return self._once("app", lambda: _place(self._whole.app))  # type: ignore[no-any-return]

    @property
    def place(self) -> Place:
        """The site or the app, or one of which nothing is known."""
        return self.site or self.app or Place()

    @property
    def device(self) -> Device | None:
        """The device; where user data may not be used, its geo has a country alone."""
        return self._once("device", self._device)  # type: ignore[no-any-return]

    @property
    def user(self) -> User | None:
        """The user with the segments of providers; None where none is told, or user data may not be used."""
        return self._once("user", lambda: _user(self._whole.user) if self.consented else None)  # type: ignore[no-any-return]

    @property
    def consented(self) -> bool:
        """Whether user data may be used."""
        return self._once("consented", self._consented)  # type: ignore[no-any-return]

    @property
    def at(self) -> float:
        """When the request came, seconds since 1970."""
        return self._at

    @property
    def hour(self) -> int:
        """Of the day, UTC, 0 .. 23."""
        return hour_of(self._at)

    @property
    def weekday(self) -> int:
        """Of the week, UTC: 0 is Monday."""
        return time.gmtime(self._at).tm_wday

    # --- parts -----------------------------------------------------------------------------------

    def _once(self, name: str, make: Callable[[], Any]) -> Any:
        parts = self._parts
        if name not in parts:
            parts[name] = make()
        return parts[name]

    @property
    def _whole(self) -> _Whole:
        return self._once("whole", lambda: _whole(self._raw.removeprefix(_MARK)))  # type: ignore[no-any-return]

    def _impressions(self) -> tuple[Impression, ...]:
        raw = self._whole.imp
        try:
            read = _imps(raw)
        except msgspec.MsgspecError:
            read = _loose_imps({"imp": msgspec.json.decode(raw)}, Counter()).imp
        found = {imp.id: imp for imp in read}
        return tuple(found[id] for id in self._ids if id in found)

    def _consented(self) -> bool:
        told, device = _regulated(self._whole.regs), self._raw_device
        if (told is None and _given(self._whole.regs)) or (device is None and _given(self._whole.device)):
            return False  # what cannot be read may have forbidden it
        told = told or Regulated()
        if told.coppa or str(told.either("us_privacy") or "")[2:3].upper() == "Y":
            return False
        if device is not None and (device.lmt or device.dnt):
            return False
        if not told.either("gdpr"):
            return True
        user = _regulated(self._whole.user)
        return user is not None and bool(user.either("consent"))

    @property
    def _raw_device(self) -> Device | None:
        return self._once("raw_device", lambda: _device(self._whole.device))  # type: ignore[no-any-return]

    def _device(self) -> Device | None:
        device = self._raw_device
        if device is None or device.geo is None or self.consented:
            return device
        return msgspec.structs.replace(device, geo=Geo(country=device.geo.country))


def _given(raw: msgspec.Raw) -> bool:
    return bytes(raw).strip() != b"null"


def hour_of(at: float) -> int:
    """Hour of the day, UTC, of a time in seconds since 1970."""
    return int(at // 3600) % 24
