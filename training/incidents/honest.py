"""What the responses do on held-out days where nothing is wrong and nobody is there to acknowledge: the worst case.

Bands and alarms are those of `bidpilot alerts`; each day's are handed to the state machine as a server does. What a
response changes of the bids is not played back: a shock that a throttle hides is counted as if it went on.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.watch.alarm import Risk
from bidpilot.bidding.watch.bands import Bands
from bidpilot.bidding.watch.metrics import METRICS
from bidpilot.bidding.watch.scan import Delays, Teller, first_slots, found
from bidpilot.serving.incidents.incident import Incident, Level, Target
from bidpilot.serving.incidents.machine import Machine, Noticed
from bidpilot.serving.incidents.policy import ResponsePolicy
from bidpilot.training.alerts.cases import Ground
from bidpilot.training.alerts.play import Watched, play
from bidpilot.training.evaluation.catalogue import SuiteRecord
from bidpilot.training.evaluation.suites import held_out, suite_forecast

HONEST = (
    "steady", "daily", "week", "shift", "sparse", "first_price", "won_only", "delayed", "cpa", "balanced", "tail",
    "viral", "worlds",
)  # fmt: skip
"""Suites whose traffic is honest."""
_DAY = date(1970, 1, 1)
_TARGET = Target(kind="campaign")


class HonestRow(TypedDict):
    """One suite; the keys are those of the JSON file."""

    suite: str
    days: int
    incidents: float  # a day
    told: float  # share of days with an incident
    throttled: float  # share of days on which some incident reached level 1
    paused: float  # level 2
    stopped: float  # level 3


def honest(record: SuiteRecord, ground: Ground, policy: ResponsePolicy) -> HonestRow:
    """The days of a suite, under the bands of its own forecast."""
    campaign = record.campaigns[0]
    late = campaign.delays
    count = max(ground.days // record.together, 1) * record.together
    market, days = held_out(replace(record, in_a_row=1), count, ground.seed)
    watched = play(market, suite_forecast(record), campaign, days)
    delays = Delays(late.wins, late.interactions, late.conversions)
    lived = responses(ground.bands(record.forecast, campaign), watched, delays, policy)
    highest = np.array([max((int(s.level) for one in day for s in one.steps), default=-1) for day in lived])
    return HonestRow(
        suite=record.name,
        days=len(lived),
        incidents=sum(map(len, lived)) / len(lived),
        told=float(np.mean(highest >= 0)),
        throttled=float(np.mean(highest >= Level.throttle)),
        paused=float(np.mean(highest >= Level.pause)),
        stopped=float(np.mean(highest >= Level.stop)),
    )


def responses(bands: Bands, watched: Watched, delays: Delays, policy: ResponsePolicy) -> list[list[Incident]]:
    """The incidents of each whole day, which nobody acknowledges."""
    late = delays.by_metric
    found_ = found(bands, bands.features(watched.slots, watched.weekday)).delayed(late)
    length = watched.slots.length
    first = first_slots(np.arange(length)[:, None] - late, found_.feature)  # (2, D, T, M)
    over = np.any(found_.score > bands.threshold[:, None, None], axis=(0, 2, 3)).reshape(-1)
    machine = Machine(policy, 86_400.0 / length)
    return [
        _day(machine, bands, found_.score[:, d], first[:, d]) if over[d] else [] for d in range(found_.score.shape[1])
    ]


def _day(machine: Machine, bands: Bands, score: NDArray[np.float64], first: NDArray[np.int64]) -> list[Incident]:
    """One day, from scores (2, T, M)."""
    teller, by_risk, over = Teller(bands.threshold), dict[Risk, Incident](), list[Incident]()
    for t in range(score.shape[1]):
        now = (t + 1) * machine.slot
        by_risk = {risk: machine.tend(one, now) for risk, one in by_risk.items()}
        for one in teller.tell(score[:, t], first[:, t]):
            threshold = float(bands.threshold[one.side, one.metric])
            evidence = {
                "metric": METRICS[one.metric].name,
                "score": float(score[one.side, t, one.metric]),
                "threshold": threshold,
            }
            noticed = Noticed(one.risk, "", _TARGET, t, "", evidence)
            known = by_risk.get(one.risk)
            if known is not None and (known.open or machine.reopens(known, now)):
                by_risk[one.risk] = machine.hear(known, noticed, now)
                continue
            if known is not None:
                over.append(known)
            by_risk[one.risk] = machine.open(noticed, now, one.risk.value, _DAY)
        for risk, incident in by_risk.items():
            by_risk[risk] = _lasting(machine, bands, incident, teller.lasting, t, now)
        by_risk = {risk: machine.tend(one, now) for risk, one in by_risk.items()}
    return [*over, *by_risk.values()]


def _lasting(
    machine: Machine, bands: Bands, incident: Incident, scores: dict[str, float], slot: int, now: float
) -> Incident:
    """An incident some of whose metrics are out still."""
    told = {a["metric"]: a["threshold"] for a in incident.alarms if "metric" in a}
    out = [(scores[name], threshold) for name, threshold in told.items() if name in scores]
    if not out:
        return incident
    score, threshold = max(out, key=lambda pair: pair[0] / pair[1])
    return machine.lasts(incident, now, slot, score, threshold)
