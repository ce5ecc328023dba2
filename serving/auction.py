"""One auction as the bidder sees it: what is offered, what is answered, and what is kept of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from bidpilot.serving.collector import Value
from bidpilot.serving.decision_log import Row
from bidpilot.serving.ledger.store import MICRO
from bidpilot.serving.notices import Ticket

if TYPE_CHECKING:
    from bidpilot.serving.campaign_day import CampaignDay
    from bidpilot.serving.restrictions.terms import Chosen
    from bidpilot.serving.served import ServedCampaign


class Opportunity(msgspec.Struct, frozen=True, gc=False):
    """One exposure that is up for auction."""

    value: Value  # predicted KPI triple
    segment: int
    source: int = 0  # cluster of its publisher, or the pool (`bidpilot.bidding.traffic.sources`)
    floor: float = 0.0  # least bid that counts, currency per exposure
    first_price: bool = False
    hold: float = 0.0  # seconds for which the exchange may still bill a bid; less than usual counts as usual
    test: bool = False  # answered, but neither counted nor reserved nor billed
    exchange: str | None = None  # who asks, where exchanges are told apart
    scale: float = 1.0  # our currency for one unit of that of the answer
    format: str = ""  # what it asks for (`prediction.parts.format_of`); empty where nobody has said


class Bid(msgspec.Struct, frozen=True):
    """A bid, with the ticket that its notices bring back."""

    campaign: ServedCampaign
    amount: int  # micro-units per exposure
    ticket: Ticket
    expiry: float  # seconds for which a bill of it is expected (bid.exp)
    chosen: Chosen | None = None  # what it shows and in which deal; None: nobody has said what is on offer


class NoBid(msgspec.Struct, frozen=True):
    """No bid, and why."""

    reason: str


class Record(msgspec.Struct):
    """What is kept of an outstanding bid."""

    day: CampaignDay
    opportunity: Opportunity
    ticket: Ticket
    time: float
    shadow: float | None
    refused_by: tuple[str, ...] = ()  # campaigns for which it was no auction
    market_price: float | None = None


def row(day: CampaignDay, o: Opportunity, result: str, time: float, record: Record | None = None, cost: int = 0) -> Row:
    """What the decision log keeps of an auction; `cost` in micro-units, `record` where there was a bid."""
    count = 1.0 if record is None else record.ticket.count
    campaign, forecast = day.served.campaign, day.desk.forecast
    return Row(
        key="" if record is None else record.ticket.key,
        campaign=day.served.name,
        date=day.moment.date,
        slot=day.slot if record is None else record.ticket.slot,
        slots=forecast.slots,
        time=time,
        segment=forecast.segments[o.segment],
        source=o.source,
        format=o.format,
        exposure=o.value[0],
        interaction=o.value[1],
        conversion=o.value[2],
        floor=o.floor,
        first_price=o.first_price,
        bid=0.0 if record is None else record.ticket.amount / MICRO / count,
        shadow_bid=None if record is None else record.shadow,
        result=result,
        cost=cost / MICRO / count,
        market_price=None if record is None else record.market_price,
        budget=campaign.budget,
        conversion_value=campaign.conversion_value,
        timezone=day.timezone,
    )
