"""What a predictor sees of a request: typed parts that are decoded when they are looked at, and not before."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from bidpilot.serving.messages import UNTOLD, BidRequest
from bidpilot.serving.prediction.parts import Device, Geo, Impression, Part, Place, User
from bidpilot.serving.reading.forms import reader_of
from bidpilot.serving.reading.part import PartReader, is_told
from bidpilot.serving.restrictions.consent import Consent

_MARK = b"\xef\xbb\xbf"


class _Whole(msgspec.Struct, frozen=True):
    """A request, none of whose parts is looked into."""

    imp: msgspec.Raw = UNTOLD
    site: msgspec.Raw = UNTOLD
    app: msgspec.Raw = UNTOLD


class _Impressions(Part, frozen=True):
    imp: list[Impression]


_whole = msgspec.json.Decoder(_Whole).decode
_imps = msgspec.json.Decoder(list[Impression]).decode
_loose_imps = reader_of(_Impressions)
_place, _device, _user = PartReader(Place), PartReader(Device), PartReader(User)


class RequestView:
    """A bid request as a predictor may see it. It cannot be changed.

    There is no user, and of the device's place the country alone, where data of the person may not be made use of
    (`restrictions.consent`), or the device cannot be read.

    Args:
        raw: the request's JSON.
        request: what was decoded of it.
        ids: of the impressions that values are wanted for, which are each their own.
        at: when it came, seconds since 1970.
    """

    __slots__ = ("_at", "_ids", "_parts", "_raw", "_request")

    def __init__(self, raw: bytes, request: BidRequest, ids: Sequence[str], at: float) -> None:
        self._raw, self._request, self._ids, self._at = raw, request, ids, at
        self._parts: dict[str, Any] = {}

    @property
    def impressions(self) -> tuple[Impression, ...]:
        """(I,) impressions that values are wanted for, in the order of the values."""
        return self._once("impressions", self._impressions)  # type: ignore[no-any-return]

    @property
    def site(self) -> Place | None:
        """The site, where it is one."""
        return self._once("site", lambda: _place.whole(self._whole.site))  # type: ignore[no-any-return]

    @property
    def app(self) -> Place | None:
        """The app, where it is one."""
        return self._once("app", lambda: _place.whole(self._whole.app))  # type: ignore[no-any-return]

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
        return self._once("user", lambda: _user.whole(self._request.user) if self.consented else None)  # type: ignore[no-any-return]

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
        except (msgspec.MsgspecError, UnicodeDecodeError):
            try:
                read = _loose_imps({"imp": msgspec.json.decode(raw)}, Counter()).imp
            except UnicodeDecodeError:  # of a text that the bidder itself had no use for
                return ()
        found = {imp.id: imp for imp in read}
        return tuple(found[id] for id in self._ids if id in found)

    def _consented(self) -> bool:
        if self._raw_device is None and is_told(self._request.device):
            return False  # what cannot be read may have forbidden it
        return Consent(self._request).usable

    @property
    def _raw_device(self) -> Device | None:
        return self._once("raw_device", lambda: _device.whole(self._request.device))  # type: ignore[no-any-return]

    def _device(self) -> Device | None:
        device = self._raw_device
        if device is None or device.geo is None or self.consented:
            return device
        return msgspec.structs.replace(device, geo=Geo(country=device.geo.country))


def hour_of(at: float) -> int:
    """Hour of the day, UTC, of a time in seconds since 1970."""
    return int(at // 3600) % 24
