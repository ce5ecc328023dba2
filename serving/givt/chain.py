"""Who sells an impression: the supply chain of a request (`source.schain`), held against sellers that are known."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from bidpilot.bidding.traffic.refusal import Refusal
from bidpilot.serving.givt.lists import Lists
from bidpilot.serving.messages import BidRequest
from bidpilot.serving.restrictions.blocks import domain_of
from bidpilot.serving.restrictions.person import Whole


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


_source = Whole(_Source)


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
    allowed = None if not lists.ads else lists.ads.get(_publisher(request))
    return Refusal.seller if allowed is not None and not allowed.issuperset(sold) else None


def _publisher(request: BidRequest) -> str:
    """Under which name a file says who may sell for it."""
    if request.site is not None:
        return domain_of(request.site.domain or request.site.page or "")
    return "" if request.app is None else (request.app.bundle or "").strip().lower()
