"""What campaigns would show in an auction's impression, and what they offer for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from bidpilot.bidding.traffic.refusal import Refusal
from bidpilot.serving.auction import Opportunity
from bidpilot.serving.ledger.store import MICRO
from bidpilot.serving.restrictions.auction_types import Pricing
from bidpilot.serving.restrictions.terms import Chosen, Showing, Terms

if TYPE_CHECKING:
    from bidpilot.serving.campaign_day import CampaignDay


class View(msgspec.Struct, frozen=True, gc=False):
    """An impression as the campaigns see it."""

    shown: dict[str, Showing] | None = None  # by campaign; None: nobody has said what is on offer
    unfit: dict[str, str] = {}  # campaigns that have nothing to show there, and why
    count: float = 1.0  # exposures that it stands for
    user: int = 0  # what the person is known by, where a cap has asked
    refusal: Refusal | None = None  # why it is an auction of nobody


_UNTOLD = View()


def view_of(days: Mapping[str, CampaignDay], terms: Terms | None, now: float) -> View:
    """What each campaign would show under an impression's terms; without, as a caller in this process has none, any."""
    if terms is None:
        return _UNTOLD
    visit = terms.visit
    if visit.refusal is not None:
        return View({}, count=terms.count, refusal=visit.refusal)
    shown: dict[str, Showing] = {}
    unfit: dict[str, str] = {}
    for name, day in days.items():
        showing = terms.showing(day.served, now)
        if isinstance(showing, str):
            unfit[name] = showing
        else:
            shown[name] = showing
    return View(shown, unfit, terms.count, visit.marks[0] if visit.marks else 0)


def offered(day: CampaignDay, o: Opportunity, view: View, now: float, hold: float) -> tuple[int, str, Chosen | None]:
    """Micro-units that a campaign bids, an empty reason and what it would show; or 0 and why not.

    Of several deals the cheapest that its price reaches is taken, and the open auction where it reaches none.
    """
    if view.shown is None:
        floor = -int(-o.floor * MICRO // 1)
        return *day.offer(o.value, o.segment, o.source, o.first_price, floor, now, hold), None
    showing, why = view.shown[day.served.name], ""
    for option in showing.options:
        floor, first_price = option.floor, option.pricing is Pricing.first
        amount, why = day.offer(o.value, o.segment, o.source, first_price, floor, now, hold, view.count)
        if amount > 0:
            return floor if option.pricing is Pricing.fixed else amount, "", Chosen(showing.piece, option.deal)
    return 0, why, None
