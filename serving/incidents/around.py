"""What the slots around an incident brought, for its file: totals of the campaign, and no request's own data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bidpilot.bidding.kpi import KPI

if TYPE_CHECKING:
    from bidpilot.serving.campaign_day import CampaignDay

MOST = 192
"""Slots that a file keeps: of its day from the first on, by which alarm rules can be played again, and days after."""


def slots_of(day: CampaignDay) -> tuple[dict[str, Any], ...]:
    """Totals of a day's closed slots, with what the plan and the forecast have for them.

    Counts, currency, and KPIs in their own units; of outcomes what has been told by now.
    """
    pilot = day.pilots.policy
    s, rows = pilot.statistics, []
    for t in range(pilot.slot):
        auctions, refused = int(s.auctions[t + 1, 0] - s.auctions[t, 0]), int(pilot.refused[t])
        told: dict[str, Any] = {
            "date": day.moment.date,
            "slot": t,
            "requests": auctions + refused,
            "refused": refused,
            "expected_requests": round(float(pilot.forecast.auctions[t]), 3),
            "wins": int(s.wins[t + 1, 0] - s.wins[t, 0]),
            "spend": round(float(s.spend[t + 1, 0] - s.spend[t, 0]), 6),
            "budget": pilot.campaign.budget,
            "planned_spend": round(pilot.planned_spend(t), 6),
        }
        for k, kpi in enumerate(KPI):
            told[f"predicted_{kpi}"] = round(float(s.predicted[t + 1, 0, k] - s.predicted[t, 0, k]), 6)
            told[f"realised_{kpi}"] = round(float(s.realised[t + 1, 0, k] - s.realised[t, 0, k]), 6)
        rows.append(told)
    return tuple(rows)


def extended(kept: tuple[dict[str, Any], ...], more: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
    """Kept slots with more of them: the later word on a slot holds, since bills and outcomes come late."""
    by_slot = {(row["date"], row["slot"]): row for row in (*kept, *more)}
    return tuple(by_slot[key] for key in sorted(by_slot))[-MOST:]
