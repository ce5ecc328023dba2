"""What a campaign offers for an auction under the terms of its impression."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bidpilot.serving.auction import Opportunity
from bidpilot.serving.ledger.store import MICRO
from bidpilot.serving.restrictions.auction_types import Pricing
from bidpilot.serving.restrictions.terms import Chosen, Terms

if TYPE_CHECKING:
    from bidpilot.serving.campaign_day import CampaignDay


def offered(
    day: CampaignDay, o: Opportunity, terms: Terms | None, now: float, hold: float
) -> tuple[int, str, Chosen | None]:
    """Micro-units that a campaign bids, an empty reason and what it would show; or 0 and why not.

    Without terms, as a caller in this process has none, nothing is chosen to be shown. Of several deals the cheapest
    that its price reaches is taken, and the open auction where it reaches none.
    """
    if terms is None:
        floor = -int(-o.floor * MICRO // 1)
        return *day.offer(o.value, o.segment, o.source, o.first_price, floor, now, hold), None
    showing = terms.showing(day.served, now)
    if isinstance(showing, str):
        return 0, showing, None
    why = ""
    for option in showing.options:
        floor, first_price = option.floor, option.pricing is Pricing.first
        amount, why = day.offer(o.value, o.segment, o.source, first_price, floor, now, hold, terms.count)
        if amount > 0:
            bid = floor if option.pricing is Pricing.fixed else amount
            return bid, "", Chosen(showing.piece, option.deal)
    return 0, why, None
