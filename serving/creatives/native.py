"""Native advertisements: which of a creative's assets an impression asks for, and the answer in OpenRTB Native 1.2."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec

from bidpilot.serving.reading.forms import Unreadable, reader_of

if TYPE_CHECKING:
    from bidpilot.serving.creatives.creative import NativeCreative


_NOT_REQUIRED = (None, 0, False, "0", "")


class _Title(msgspec.Struct):
    len: int | None = None


class _Image(msgspec.Struct):
    type: int | None = None
    w: int | None = None
    h: int | None = None
    wmin: int | None = None
    hmin: int | None = None


class _Data(msgspec.Struct):
    type: int
    len: int | None = None


class _Asset(msgspec.Struct):
    id: int
    required: int | None = None
    title: _Title | None = None
    img: _Image | None = None
    data: _Data | None = None


class _Wanted(msgspec.Struct):
    assets: list[_Asset] | None = None
    native: _Wanted | None = None  # version 1.0 has it all one level down


_strict = msgspec.json.Decoder(_Wanted).decode
_loose = reader_of(_Asset)
_encode = msgspec.json.Encoder().encode


def _asked(request: str) -> list[_Asset] | None:
    """The assets that are asked for, read strictly, and in other forms where that fails.

    What cannot be read costs itself, unless it may be required: then nothing is asked for that could be answered.
    """
    try:
        wanted = _strict(request)
        return wanted.assets or (None if wanted.native is None else wanted.native.assets)
    except msgspec.MsgspecError:
        pass
    try:
        tree = msgspec.json.decode(request)
    except (msgspec.MsgspecError, RecursionError):
        return None
    within = tree.get("native", tree) if isinstance(tree, dict) else None
    entries = within.get("assets") if isinstance(within, dict) else None
    found = []
    for entry in entries if isinstance(entries, list) else ():
        try:
            found.append(_loose(entry, Counter()))
        except Unreadable:
            if isinstance(entry, dict) and entry.get("required") not in _NOT_REQUIRED:
                return None
    return found


class Assets:
    """The assets of one creative."""

    def __init__(
        self,
        title: str,
        images: tuple[tuple[int, str, int, int], ...],
        data: dict[int, str],
        link: str,
    ) -> None:
        self._title, self._images, self._data, self._link = title, images, data, link

    @classmethod
    def of(cls, creative: NativeCreative, campaign: str) -> Assets:
        """Those of a creative."""
        images = tuple((image.type, image.url, image.w, image.h) for image in creative.images)
        return cls(creative.title, images, dict(creative.data), creative.link)

    def markup(self, request: str | None, event_url: str) -> str | None:
        """The answer to a native request; None where it cannot be read, or asks for what there is not."""
        asked = _asked(request or "")
        if not asked:
            return None
        found = []
        for asset in asked:
            one = self._asset(asset)
            if one is not None:
                found.append({"id": asset.id, **one})
            elif asset.required:
                return None
        if not found:
            return None
        tracker = {"event": 1, "method": 1, "url": f"{event_url}&e=view"}
        native = {"ver": "1.2", "assets": found, "link": {"url": self._link}, "eventtrackers": [tracker]}
        return _encode({"native": native}).decode()

    def _asset(self, asset: _Asset) -> dict[str, Any] | None:
        if asset.title is not None:
            fits = asset.title.len is None or len(self._title) <= asset.title.len
            return {"title": {"text": self._title}} if fits else None
        if asset.img is not None:
            return self._image(asset.img)
        if asset.data is not None and (value := self._data.get(asset.data.type)) is not None:
            return {"data": {"value": value}} if asset.data.len is None or len(value) <= asset.data.len else None
        return None  # a video, or what we do not know

    def _image(self, wanted: _Image) -> dict[str, Any] | None:
        for kind, url, w, h in self._images:
            if wanted.type not in (None, kind):
                continue
            if wanted.w not in (None, 0, w) or wanted.h not in (None, 0, h):
                continue
            if w >= (wanted.wmin or 0) and h >= (wanted.hmin or 0):
                return {"img": {"type": kind, "url": url, "w": w, "h": h}}
        return None
