"""VAST documents: read without entities, held against what the creative says of itself."""

from __future__ import annotations

from typing import NoReturn
from xml.etree import ElementTree

from bidpilot.bidding.errors import InvalidCreative

_PROTOCOLS = {"1.0": 1, "2.0": 2, "3.0": 3, "4.0": 7, "4.1": 11, "4.2": 13, "4.3": 15}
_WRAPPERS = {"1.0": 4, "2.0": 5, "3.0": 6, "4.0": 8, "4.1": 12, "4.2": 14, "4.3": 16}
Told = tuple[tuple[str, ...], int, tuple[int, int] | None]
"""Types of media files, duration (seconds) and size (pixels; None: it has none) that a creative tells of itself."""


def check_vast(crid: str, text: str, told: Told | None) -> None:
    """See that a document is VAST that can be played as the creative says; `told`: None for a wrapper alone.

    Raises:
        InvalidCreative: it is not well-formed, has entities, or plays something else.
    """
    root = _parsed(crid, text)
    if root.get("version") not in _PROTOCOLS:
        _refuse(crid, f"VAST version {root.get('version')!r} is not known", f"Use one of {', '.join(_PROTOCOLS)}")
    if root.find("Ad/Wrapper/VASTAdTagURI") is not None:
        return
    if root.find("Ad/InLine") is None:
        _refuse(crid, "its VAST has no Ad with an InLine or a Wrapper", "Give one")
    if told is None:
        return
    mimes, duration, size = told
    length = (root.findtext(".//Linear/Duration") or "").strip()
    if _seconds(length) != duration:
        _refuse(crid, f"its VAST plays for {length!r}, and it says {duration} s", "Let them be the same")
    files = [(f.get("type", "").lower(), f.get("width"), f.get("height")) for f in root.iterfind(".//MediaFile")]
    for mime in mimes:
        sizes = [(w, h) for kind, w, h in files if kind == mime.lower()]
        if not sizes:
            _refuse(crid, f"its VAST has no MediaFile of type {mime!r}", "Leave the type out, or add the file")
        if size is not None and (str(size[0]), str(size[1])) not in sizes:
            _refuse(crid, f"its VAST has no {mime} of {size[0]}x{size[1]}", "Give width and height of a MediaFile")


def protocol_of(text: str) -> int:
    """AdCOM's protocol of a document that was checked."""
    root = ElementTree.fromstring(text)
    wraps = root.find("Ad/Wrapper") is not None
    return (_WRAPPERS if wraps else _PROTOCOLS)[root.get("version", "")]


def wrapped(crid: str, url: str) -> str:
    """A document that says where the VAST is, and tells our events."""
    address = url.replace("]]>", "")
    return (
        f'<VAST version="3.0"><Ad id="{_plain(crid)}"><Wrapper><AdSystem>bidpilot</AdSystem>'
        f"<VASTAdTagURI><![CDATA[{address}]]></VASTAdTagURI>"
        "<Impression><![CDATA[${BIDPILOT_EVENT}&e=view]]></Impression>"
        '<Creatives><Creative><Linear><TrackingEvents><Tracking event="complete">'
        "<![CDATA[${BIDPILOT_EVENT}&e=complete]]></Tracking></TrackingEvents></Linear></Creative></Creatives>"
        "</Wrapper></Ad></VAST>"
    )


def _parsed(crid: str, text: str) -> ElementTree.Element:
    if "<!doctype" in text.lower() or "<!entity" in text.lower():
        _refuse(crid, "its XML declares a document type or an entity", "Leave it out: nothing is expanded")
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        _refuse(crid, f"its XML is not well-formed ({error})", "Write & as &amp; outside of CDATA, and close each tag")
    if root.tag != "VAST":
        _refuse(crid, f"its XML begins with <{root.tag[:40]}>", "Give a VAST document")
    return root


def _seconds(length: str) -> float | None:
    try:
        hours, minutes, seconds = length.split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except ValueError:
        return None


def _plain(text: str) -> str:
    return "".join(c for c in text if c.isalnum() or c in "-_.:")


def _refuse(crid: str, why: str, remedy: str) -> NoReturn:
    raise InvalidCreative(f"creative {crid[:80]!r} cannot be shown: {why}. {remedy}.")
