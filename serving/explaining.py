"""The parts of each campaign's bid for a request: what is asked for to see why it bids what it bids, or does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bidpilot.serving.auction import Opportunity
from bidpilot.serving.ledger.store import MICRO

if TYPE_CHECKING:
    from bidpilot.serving.bidder import Bidder
    from bidpilot.serving.messages import BidRequest, Imp
    from bidpilot.serving.openrtb import Reader
    from bidpilot.serving.prediction.values import Predicted
    from bidpilot.serving.restrictions.visit import Visit
    from bidpilot.serving.served import ServedCampaign


def explained(bidder: Bidder, reader: Reader, seat: str, request: BidRequest, told: Predicted) -> dict[str, Any]:
    """By impression: the parts of each campaign's bid and what it would show, or why nobody bids.

    Args:
        bidder: who would bid; nothing is counted or reserved.
        reader: what it reads requests with.
        seat: in whose name.
        request: as it came.
        told: what a predictor of one's own said of its impressions.
    """
    visit, experiment = reader.house.visit(request, seat), bidder.experiment
    trial = None if experiment is None else experiment.place(request, visit.person)
    found: dict[str, Any] = {}
    for imp in request.imp:
        opportunity = reader.opportunity(request, imp, asked=True, told=told, trial=trial)
        if isinstance(opportunity, str):
            found[imp.id] = opportunity
            continue
        found[imp.id] = parts = parts_of(bidder, opportunity)
        for name, served in bidder.served.items():
            if name in parts:
                parts[name] |= _shown(bidder, reader, visit, imp, served)
    return found


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


def _shown(bidder: Bidder, reader: Reader, visit: Visit, imp: Imp, served: ServedCampaign) -> dict[str, Any]:
    """What a campaign would show, and the ways to buy the impression; or why there is nothing to show."""
    if visit.refusal is not None:
        return {"creative": None, "not_shown": visit.refusal.value}
    showing = reader.terms(visit, imp).showing(served, bidder.desk.clock())
    if isinstance(showing, str):
        return {"creative": None, "not_shown": showing}
    options = [{"deal": o.deal, "floor": o.floor / MICRO, "price": o.pricing.value} for o in showing.options]
    return {"creative": showing.piece.crid, "options": options}
