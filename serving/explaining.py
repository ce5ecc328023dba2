"""The parts of each campaign's bid for an auction: what is asked for to see why it bids what it bids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bidpilot.serving.auction import Opportunity
from bidpilot.serving.ledger.store import MICRO

if TYPE_CHECKING:
    from bidpilot.serving.bidder import Bidder


def parts_of(bidder: Bidder, o: Opportunity) -> dict[str, Any]:
    """Parts by campaign, currency; nothing is counted or reserved. Campaigns of other arms have none."""
    now = bidder.desk.clock()
    parts: dict[str, Any] = {}
    for name, day in bidder.days.items():
        if o.trial is not None and name in o.trial.others:
            continue
        refusal = day.refusal(o.source)
        offer, why = 0, "" if refusal is None else refusal.value
        if refusal is None:
            offer, why = day.offer(o.value, o.segment, o.source, o.first_price, 0, now)
        parts[name] = day.pricer.explain(o.value, o.segment, o.source, o.first_price) | {
            "segment": bidder.bundle.manifest.segments[o.segment],
            "source": {"cluster": o.source} | day.explain_source(o.source),
            "slot": day.slot,
            "by_plan": day.decision.planned,
            "offered": offer / MICRO,
            "reason": why,
        }
    return parts
