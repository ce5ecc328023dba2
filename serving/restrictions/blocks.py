"""What a request blocks or allows for all of its impressions: advertisers, categories, apps, languages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from bidpilot.serving.creatives.piece import Piece
from bidpilot.serving.messages import BidRequest
from bidpilot.serving.restrictions.fit import Unfit

_MOST_DOMAIN = 253  # characters; of what is longer the end decides
_BEGIN = re.compile(r"(?:[a-z][a-z0-9+-]*:(?=/)|https?:(?!\d{1,5}(?:[/?#]|$)))?/*")
_END = re.compile(r"[/?#]")
_BETWEEN = re.compile(r"[,;\s]+")

_FIRST_TAXONOMY = 1  # IAB Content Category 1.0: what a request without `cattax` means


class Blocks:
    """The block lists of one request, made ready once."""

    __slots__ = ("_advertisers", "_allowed", "_apps", "_categories", "_languages", "_taxonomy")

    def __init__(self, request: BidRequest) -> None:
        self._advertisers = frozenset(map(domain_of, _entries(request.badv)))
        self._categories = frozenset(entry.upper() for entry in _entries(request.bcat))
        self._allowed = frozenset(entry.upper() for entry in _entries(request.acat))
        self._taxonomy = _FIRST_TAXONOMY if request.cattax is None else request.cattax
        self._apps = frozenset(entry.lower() for entry in _entries(request.bapp))
        self._languages = frozenset(
            entry.lower().partition("-")[0] for entry in (*_entries(request.wlang), *_entries(request.wlangb))
        )

    def against(self, piece: Piece) -> Unfit | None:
        """Why a creative is blocked; None where it is not.

        A creative without a domain, or of a taxonomy that cannot be compared, is blocked where the request blocks any;
        one that names no category is not blocked by categories, but is not among those that alone are allowed.
        """
        if self._advertisers and (not piece.adomain or any(map(self._blocked, piece.adomain))):
            return Unfit.advertiser
        if self._categories and piece.cat:
            if piece.cattax != self._taxonomy:
                return Unfit.taxonomy
            if any(_within(category, self._categories) for category in piece.cat):
                return Unfit.category
        if self._allowed:
            if piece.cattax != self._taxonomy:
                return Unfit.taxonomy
            if not piece.cat or not all(_within(category, self._allowed) for category in piece.cat):
                return Unfit.category
        if self._apps and piece.bundle is not None and piece.bundle.lower() in self._apps:
            return Unfit.app
        if self._languages and piece.language not in self._languages:
            return Unfit.language
        return None

    def _blocked(self, domain: str) -> bool:
        """Whether a domain, or one that it is a part of, is blocked."""
        return any(above in self._advertisers for above in with_parents(domain, "."))


def _entries(told: Iterable[str] | None) -> Iterator[str]:
    """The entries of a list, also where several stand in one text: none of these holds a comma or a blank itself."""
    for text in told or ():
        yield from _BETWEEN.split(text) if _BETWEEN.search(text) else (text,)


def _within(category: str, among: frozenset[str]) -> bool:
    """Whether a category is among some, or the one that it is a part of: IAB25 has IAB25-3.

    Ids of the taxonomies after the first are numbers, which do not say what they are a part of: each is itself alone.
    """
    category = category.upper()
    return category in among or category.partition("-")[0] in among


def domain_of(text: str) -> str:
    """A domain as it is compared: without what exchanges write around it, as in https://me@www.Shop.example.:443/x?y#z."""
    text = text.strip().lower()
    if not text.replace(".", "").replace("-", "").isalnum() or len(text) > _MOST_DOMAIN:
        text = _host(text)[-_MOST_DOMAIN:]
    text = text.strip(".")
    return text[4:] if text.startswith("www.") and "." in text[4:] else text


def _host(text: str) -> str:
    """The host of an address, as browsers find it; that of version 6 loses its end, and is no domain."""
    text = text.replace("\\", "/")
    begin = _BEGIN.match(text)
    authority = _END.split(text[begin.end() if begin else 0 :], 1)[0]
    return authority.rpartition("@")[2].partition(":")[0].strip().removeprefix("*.")


def allowed(domains: Iterable[str], named: Iterable[str]) -> bool:
    """Whether each of a creative's domains is among those that are `named`, or a part of one."""
    among = frozenset(map(domain_of, named))
    told = list(domains)
    return bool(told) and all(any(above in among for above in with_parents(d, ".")) for d in told)


def with_parents(text: str, mark: str) -> Iterable[str]:
    """A name and those that it is a part of: a.b.c, b.c, c."""
    while text:
        yield text
        text = text.partition(mark)[2]
