"""What open incidents mean for a campaign's bids: a function of them alone, so that undoing one restores exactly."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from bidpilot.bidding.rule import Rule
from bidpilot.bidding.traffic.gate import Gate
from bidpilot.serving.incidents.incident import Incident, Level
from bidpilot.serving.incidents.policy import ResponsePolicy

Factors = tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Effects:
    """Responses that hold for one campaign."""

    stopped: bool = False  # no bids
    planned: bool = False  # the plan takes the policy's place
    share: float | None = None  # most of what the plan has for a slot that the slot may cost; None: no such limit
    segments: Factors = ()  # factors on bids by segment, below 1; 0 pauses it
    sources: Factors = ()  # the same by source

    @property
    def level(self) -> Level:
        """The response level of the campaign."""
        if self.stopped:
            return Level.stop
        if self.planned:
            return Level.pause
        return Level.none if self == NONE else Level.throttle


NONE = Effects()


def effects_of(incidents: Iterable[Incident], policy: ResponsePolicy) -> Effects:
    """What the open incidents of a campaign and of its bidder mean together: of each limit the strictest."""
    made, segments, sources = NONE, dict[int, float](), dict[int, float]()
    for incident in incidents:
        level, target = incident.level, incident.target
        if not incident.open or level is Level.none:
            continue
        response = policy.response(incident.risk, target)
        keeps = response.share if level is Level.throttle else 0.0
        if target.kind == "segment" and target.index is not None:
            segments[target.index] = min(keeps, segments.get(target.index, 1.0))
        elif target.kind == "source" and target.index is not None:
            sources[target.index] = min(keeps, sources.get(target.index, 1.0))
        else:
            ahead = response.ahead if made.share is None else min(made.share, response.ahead)
            made = replace(made, share=ahead)
        # a stop that the ledger's own look lifts is the reconciliation's to carry out
        stopped = level is Level.stop and not response.lifts
        made = replace(made, stopped=made.stopped or stopped, planned=made.planned or level >= Level.pause)
    made = replace(made, segments=tuple(sorted(segments.items())), sources=tuple(sorted(sources.items())))
    return NONE if made == NONE else made


def responded(rule: Rule, effects: Effects, sources: int) -> Rule:
    """A rule of one row with the factors of `effects` on segments and on so many `sources`; itself without any."""
    if effects.segments:
        factor = _factors(effects.segments, rule.multiplier.shape[1])
        rule = replace(rule, multiplier=rule.multiplier * factor, beta=rule.beta * factor)
    if effects.sources:
        gate = rule.gate or Gate.open(1, sources)
        rule = replace(rule, gate=replace(gate, multiplier=gate.multiplier * _factors(effects.sources, sources)))
    return rule


def _factors(told: Factors, size: int) -> np.ndarray:
    factors = np.ones((1, size))
    for index, factor in told:
        if index < size:  # of a bundle that told more apart
            factors[0, index] = factor
    return factors
