"""What the page shows of one campaign: a short row every second, and its slots where somebody looks at them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from bidpilot.bidding.kpi import CONVERSION
from bidpilot.bidding.traffic.refusal import Refusal
from bidpilot.serving.bidder import Bidder
from bidpilot.serving.campaign_day import CampaignDay
from bidpilot.serving.ledger.store import MICRO

_DIGITS = 6  # that numbers of curves are told with
_MOST_SOURCES = 40  # that are told of one by one


def short(values: Sequence[float] | np.ndarray) -> list[float | None]:
    """Numbers with as many digits as a picture can use; None for what is none."""
    return [float(f"{v:.{_DIGITS}g}") if math.isfinite(v) else None for v in map(float, values)]


def moving(bidder: Bidder, name: str) -> dict[str, Any]:
    """What may change at any time: money, counts and the state. Counts of the slot under way are this bidder's own."""
    day = bidder.days[name]
    wallet, state, t = day.wallet, day.wallet.state, day.pilots.policy.slot
    money = {"free": wallet.free, "promised": wallet.promised, "debt": wallet.debt}
    if state is not None:
        money |= {"budget": state.budget, "settled": state.settled, "held": state.held, "won": state.won}
    statistics, won = day.pilots.policy.statistics, day.collector.won
    predicted = (statistics.predicted[t, 0] + won.predicted[0]).tolist()
    realised = (statistics.realised[t, 0] + won.realised[0]).tolist()
    return {
        "state": condition(bidder, name, day),
        "money": {part: amount / MICRO for part, amount in money.items()},
        "wins": float(statistics.wins[t, 0] + won.wins[0]),
        "auctions": float(statistics.auctions[t, 0] + day.collector.auctions),
        "predicted": predicted,
        "realised": realised,
        "spent": float(statistics.spend[t, 0] + day.collector.spend),
        "refused": {why.value: bidder.refused[name, why] for why in Refusal},
        "unbilled": bidder.reconciliation.stopped(name),
    }


def steady(bidder: Bidder, name: str) -> dict[str, Any]:
    """What changes with the slot or by an order: the rule, its curve and what the campaign wants."""
    day, served = bidder.days[name], bidder.served[name]
    pilot, campaign = day.pilots.policy, bidder.served[name].campaign
    spend = pilot.statistics.spend[: pilot.slot + 1, 0]
    held = day.course.at(day.decision.slot)
    return {
        "slot": day.slot,
        "paused": served.paused,
        "budget": campaign.budget,
        "max_cpa": campaign.max_cpa,
        "alpha": list(day.alpha),
        "multiplier": None if held is None else held.multiplier,
        "shadow": None if held is None else held.shadow,
        "by_plan": day.decision.planned,
        "bundle": day.desk.origin.digest,
        "spend": short(spend),
        "plan": short(pilot.planned_curve),
        "sources": _counts(day),
    }


def mark(bidder: Bidder, name: str) -> tuple[object, ...]:
    """Equal while `steady` need not be made again."""
    day = bidder.days[name]
    return day, day.slot, day.pilots.policy.slot, day.pricer, bidder.served[name], day.desk.origin


def condition(bidder: Bidder, name: str, day: CampaignDay) -> str:
    """In one word whether a campaign bids, and else why not; the words are those of no-bid reasons."""
    now, wallet = bidder.desk.clock(), day.wallet
    if bidder.killed:
        return "kill_switch"
    if day.stopped or bidder.served[name].paused:
        return day.stopped or "paused"
    if day.effects.stopped:
        return "incident"
    if bidder.reconciliation.stopped(name):
        return "unbilled"
    flight = bidder.served[name].flight
    if flight is not None and flight.closed(day.moment, now, bidder.calendar.slots):
        return "not_in_flight"
    if wallet.debt or wallet.over:
        return "debt" if wallet.debt else "over_budget"
    if wallet.exhausted and wallet.free <= 0:
        return "spent"
    return "bidding" if wallet.ready(now) else "no_lease"


def detail(bidder: Bidder, name: str) -> dict[str, Any]:
    """The running day slot by slot: what has passed is of all bidders, the rule of the slot under way the last."""
    day, served = bidder.days[name], bidder.served[name]
    pilot = day.pilots.policy
    s, t = pilot.statistics, pilot.slot

    def by_slot(totals: np.ndarray) -> list[Any]:
        told = np.diff(totals[: t + 1, 0], axis=0)
        return short(told) if told.ndim == 1 else [short(row) for row in told]

    return {
        "name": name,
        "slot": day.slot,
        "closed": t,
        "slots": pilot.forecast.slots,
        "segments": list(pilot.forecast.segments),
        "campaign": served.campaign.model_dump(mode="json"),
        "spend": by_slot(s.spend),
        "planned_spend": short(np.diff(pilot.planned_curve)),
        "wins": by_slot(s.wins),
        "planned_wins": short(pilot.planned_wins),
        "auctions": by_slot(s.auctions),
        "forecast_auctions": short(pilot.forecast.auctions),
        "refused": by_slot(s.refused),
        "predicted": by_slot(s.predicted),
        "realised": by_slot(s.realised),
        "cpa": {
            "predicted": _cost(s.spend[1 : t + 1, 0], s.predicted[1 : t + 1, 0, CONVERSION]),
            "realised": _cost(s.spend[1 : t + 1, 0], s.realised[1 : t + 1, 0, CONVERSION]),
        },
        "rule": day.course.columns(day.slot + 1),
        "cap": day.cap,
        "channels": day.results.by_channel(pilot.forecast.segments),
        "sources": _sources(day),
    }


def _cost(spend: np.ndarray, conversions: np.ndarray) -> list[float | None]:
    """Currency per conversion of the day so far, by slot."""
    return [float(f"{s / c:.{_DIGITS}g}") if c > 0 else None for s, c in zip(spend, conversions, strict=True)]


def _counts(day: CampaignDay) -> dict[str, int]:
    """How many sources the gate of the slot under way refuses, and how many it bids on at a discount."""
    gate = day.pricer.rule.gate
    if gate is None:
        return {"refused": 0, "doubted": 0}
    s = gate.multiplier[0]
    return {"refused": int((s == 0.0).sum()), "doubted": int(((s > 0.0) & (s < 1.0)).sum())}


def _sources(day: CampaignDay) -> list[dict[str, Any]]:
    """Sources that are refused, doubted, or have had requests refused in the slot under way."""
    gate = day.gate
    if gate is None:
        return []
    hit = [k for k, refused in enumerate(gate.refused) if refused or gate.multiplier(k) < 1.0]
    hit.sort(key=lambda k: (gate.multiplier(k), -gate.refused[k]))
    return [
        {"source": source, "multiplier": gate.multiplier(source)} | day.explain_source(source)
        for source in hit[:_MOST_SOURCES]
    ]
