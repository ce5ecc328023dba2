"""Who sells an impression: the supply chain of a request (`source.schain`), held against sellers that are known."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from bidpilot.bidding.traffic.refusal import Refusal
from bidpilot.serving.givt.lists import Lists, Seller
from bidpilot.serving.messages import UNREAD, BidRequest, Site
from bidpilot.serving.reading.part import PartReader
from bidpilot.serving.restrictions.blocks import domain_of


class Demand(StrEnum):
    """What is asked of supply chains."""

    any = "any"  # nothing, but that sellers are not unknown where a file says who there is
    complete = "complete"  # one that is told must be complete
    required = "required"  # one must be told, and be complete


class _Node(msgspec.Struct, gc=False):
    asi: str | None = None
    sid: str | None = None


class _Chain(msgspec.Struct, gc=False):
    complete: int | None = None
    nodes: list[_Node] | None = None


class _Ext(msgspec.Struct, gc=False):
    schain: _Chain | None = None


class _Source(msgspec.Struct, gc=False):
    schain: _Chain | None = None
    ext: _Ext | None = None


_source = PartReader(_Source)


def against_chain(request: BidRequest, lists: Lists, demand: Demand) -> Refusal | None:
    """Why the supply chain of a request is refused; None where it is not."""
    told = _source(request.source)
    chain = told.schain or (None if told.ext is None else told.ext.schain)
    if chain is None:
        return Refusal.chain if demand is Demand.required else None
    nodes = chain.nodes or []
    whole = bool(nodes) and all(node.asi and node.sid for node in nodes)
    if demand is not Demand.any and not (whole and chain.complete == 1):
        return Refusal.chain
    sold = [(domain_of(node.asi), node.sid.strip()) for node in nodes if node.asi and node.sid]
    for system, account in sold:
        known = lists.sellers.get(system)
        if known is not None and account not in known:
            return Refusal.seller
    allowed = None if not lists.ads else _allowed(request, lists.ads)
    return Refusal.seller if allowed is not None and not allowed.issuperset(sold) else None


def name_of(site: Site) -> str:
    """The domain of a site, else its page; `UNREAD` where one is told, and none can be read."""
    if site.domain == UNREAD:
        return site.page or UNREAD
    return site.domain or site.page or ""


def _allowed(request: BidRequest, ads: dict[str, frozenset[Seller]]) -> frozenset[Seller] | None:
    """Who may sell there; None where no file says it, nobody where it cannot be read where it is."""
    if request.site is not None:
        name = name_of(request.site)
        return frozenset() if name == UNREAD else ads.get(domain_of(name))
    bundle = "" if request.app is None else request.app.bundle or ""
    return frozenset() if bundle == UNREAD else ads.get(bundle.strip().lower())
