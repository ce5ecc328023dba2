"""What was planned of days that were bought: each campaign by itself, with the money that it had."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.solvers.allocation import allocate
from bidpilot.training.roi.purchases import Asked, Purchases


@dataclass(frozen=True)
class Planned:
    """What plans expect of a mean day's money, all campaigns together."""

    spend: float  # currency
    kpi: tuple[float, float, float]  # KPIs that it buys
    preference: tuple[float, float, float]  # weights by which its utility is counted
    ideal: tuple[float, float, float]  # what the money could buy at most of each KPI alone
    whose: str  # where it comes from, for people


def planned_day(forecast: Forecast, campaign: Campaign, purchases: Purchases, whose: str) -> Planned | None:
    """What a mean day of the purchases was planned to buy; None where the plans buy nothing.

    Money buys the less the more of it there is, so that several campaigns are no campaign of all of their budgets: each
    is planned with its own mean budget, worth of a conversion and share of the traffic, and counts as often as it was
    there.

    Args:
        forecast: that plans are made on.
        campaign: what each of them asks for.
        purchases: whose campaigns.
        whose: plan, for people.

    Raises:
        InfeasibleCampaign: one of them has no plan.
    """
    by_campaign = campaigns_of(purchases)
    spend, kpi, ideal = 0.0, np.zeros(3), np.zeros(3)
    times: Counter[tuple[float, tuple[tuple[str, float], ...]]] = Counter()  # days of equal terms, planned once
    for days in by_campaign.values():
        times[days[0].share, tuple(mean_terms(days).items())] += len(days)
    for (traffic, terms), count in times.items():
        share = count / len(purchases.days)
        own = replace(forecast, auctions=forecast.auctions * traffic)
        plan = allocate(own, campaign.model_copy(update=dict(terms)))
        spend += share * float(plan.spend.sum())
        kpi, ideal = kpi + share * plan.kpi, ideal + share * plan.ideal
    if not spend > 0:
        return None
    if len(by_campaign) > 1:
        whose = f"{whose} ({len(by_campaign)} campaigns, each planned by itself)"
    bought, most = ((float(x[0]), float(x[1]), float(x[2])) for x in (kpi, ideal))
    return Planned(spend, bought, campaign.preference, most, whose)


def campaigns_of(purchases: Purchases) -> dict[str, list[Asked]]:
    """The days of each campaign, by name."""
    found: dict[str, list[Asked]] = {}
    for one in purchases.asked:
        found.setdefault(one.campaign, []).append(one)
    return found


def mean_terms(days: list[Asked]) -> dict[str, float]:
    """Mean budget and worth of a conversion, as fields of a campaign."""
    return {name: float(np.mean([getattr(day, name) for day in days])) for name in ("budget", "conversion_value")}
