"""Of whom anything may be read: the one place that says so, for the rules of campaigns and for predictors alike.

Three questions. `readable`: whether data of the person may be read at all, as it may not of children, nor without the
consent that the GDPR or Canada's law asks for. `knowable`: whether the person may also be known again by an id, as who
has opted out by law may not (`us_privacy`, the United States' sections of `gpp`), nor anybody where what would say so
cannot be read. `usable`: whether, besides, nobody limits tracking (`lmt`, `dnt`): predictors and the device's
advertising id need that. Frequency caps do not, by the guidelines behind these signals, where exchange or buyer have an
id. What keeps somebody from being bid on, as being a minor does, asks the first alone: who opts out is kept out still.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from bidpilot.serving.messages import UNREAD, UNTOLD, BidRequest, Place, Regs, RegsExt
from bidpilot.serving.reading.part import PartReader, is_told
from bidpilot.serving.restrictions.gpp import TCF_CANADA, TCF_EU, US_PRIVACY, opted_out, says_opted_out, sections_of

T = TypeVar("T")

_NONE = RegsExt()

_FOR_CHILDREN = frozenset({"TV-Y", "TV-Y7", "TV-Y7-FV", "C", "C8", "P", "EC"})
"""Content ratings of what is made for children: TV Parental Guidelines, Canada's and Australia's, ESRB."""


class _ToldExt(msgspec.Struct, gc=False):
    consent: str | None = None


class _Told(msgspec.Struct, gc=False):
    """All that is read of a user before consent is known."""

    consent: str | None = None
    ext: _ToldExt | None = None


class _Limits(msgspec.Struct, gc=False):
    """What a device says of being tracked."""

    lmt: int | None = None
    dnt: int | None = None


_told, _limits = PartReader(_Told), PartReader(_Limits)


class Consent:
    """What a request lets be read of its person.

    Args:
        request: as it came.

    Attributes:
        told: whether consent is told where a law asks for it.
        child: whether the request says that it is of children, or that what is seen is made for them, or unreadable.
    """

    __slots__ = ("_doubtful", "_knowable", "_request", "child", "told")

    def __init__(self, request: BidRequest) -> None:
        self._request, regs = request, request.regs
        self._knowable: bool | None = None
        self.told, self._doubtful, self.child = True, False, False
        if regs is not None:
            self.told, self._doubtful = _consent(regs, request.user)
            self.child = bool(regs.coppa)
        if not self.child:
            self.child = _for_children(request.site) or _for_children(request.app)

    @property
    def readable(self) -> bool:
        """Whether data of the person may be read: there is consent where it is needed, and nobody speaks of a child."""
        return self.told and not self.child

    @property
    def knowable(self) -> bool:
        """Whether the person may be known again: nobody has opted out by law, and what would say so can be read."""
        if self._knowable is None:
            regs, surely = self._request.regs, self.readable and not self._doubtful
            self._knowable = surely and not (regs is not None and _opted_out(regs))
        return self._knowable

    @property
    def usable(self) -> bool:
        """Whether data may be used to predict, and the device's own id: nor is tracking limited, or may be."""
        return self.knowable and not _limited(self._request.device)


def _consent(regs: Regs, user: msgspec.Raw) -> tuple[bool, bool]:
    """Whether consent is told where a law asks for it, and whether it is doubtful where it is."""
    older = regs.ext or _NONE
    laws = _either(regs.gpp_sid, older.gpp_sid) or ()
    europe, canada = bool(_either(regs.gdpr, older.gdpr)) or not TCF_EU.isdisjoint(laws), TCF_CANADA in laws
    told, doubtful = _tells_consent(user) if europe else (True, False)
    if not laws or not (europe or canada):
        return told, doubtful
    held = sections_of(_either(regs.gpp, older.gpp))
    told = told or any(held.get(law, "").strip() for law in TCF_EU.intersection(laws))
    return told and (not canada or bool(held.get(TCF_CANADA, "").strip())), doubtful


def _opted_out(regs: Regs) -> bool:
    older = regs.ext or _NONE
    us_privacy = (_either(regs.us_privacy, older.us_privacy) or "").strip()
    if us_privacy and says_opted_out(us_privacy):
        return True
    laws = _either(regs.gpp_sid, older.gpp_sid)
    if not laws:
        return False
    held = sections_of(_either(regs.gpp, older.gpp))
    return any(opted_out(law, held) for law in laws if law != US_PRIVACY or law in held or not us_privacy)


def _limited(device: msgspec.Raw) -> bool:
    if device is UNTOLD:
        return False
    found = _limits.whole(device)
    return is_told(device) if found is None else bool(found.lmt or found.dnt)


def _either(own: T | None, older: T | None) -> T | None:
    """A field, or that of `ext`, where it was before 2.6."""
    return older if own is None else own


def _tells_consent(user: msgspec.Raw) -> tuple[bool, bool]:
    """Whether a consent string is told, and whether anything beside it cannot be read."""
    if b'consent"' not in bytes(user):
        return False, False
    whole = _told.whole(user)
    found = _told(user) if whole is None else whole
    text = found.consent or ("" if found.ext is None else found.ext.consent)
    return bool(text and text.strip()), whole is None


def _for_children(place: Place | None) -> bool:
    content = None if place is None else place.content
    rating = None if content is None else content.contentrating
    return rating is not None and (rating == UNREAD or rating.strip().upper() in _FOR_CHILDREN)
