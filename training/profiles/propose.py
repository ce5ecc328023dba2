"""New weights of a KPI profile, from what the last quarter's orders say that KPIs and events are worth.

Preference. Where one of KPI j goes with `worth_j` of order value, the weights under which a campaign's utility counts
each KPI as its orders do are

    w_j proportional to worth_j z_j

since the utility of a weighted sum is sum_j w_j x_j / z_j, z the ideal point of the forecast: the bids of such a
campaign are proportional to order value. Interactions. One event of type k counts for as many interactions as its
`worth_k` says against the others', at the same number of interactions in all.

Order value is what a platform was seen to bring, not all that it is for. A weight therefore moves no further than the
data insist: to the nearer end of its interval, not at all where the interval holds it, and never to less than `least`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from bidpilot.bidding.campaign.profile import FunnelWeights, KpiProfile
from bidpilot.bidding.event import COMPLETE, FOLLOW
from bidpilot.bidding.kpi import KPI
from bidpilot.training.profiles.evidence import Evidence
from bidpilot.training.profiles.worth import Worth, worth
from bidpilot.training.roi.intervals import Array, Estimate
from bidpilot.training.roi.purchases import Valued

LEAST: Final = 0.05
"""What a KPI that is weighed keeps at least."""
_EVENTS: Final = ("completion", "like", "comment", "share", "follow")  # in the order of EVENTS from COMPLETE on
LEAST_TOLD: Final = 50
"""Events of a type that a weight takes at least."""


@dataclass(frozen=True)
class WeightChange:
    """One weight: as it is, as orders have it, and as it is proposed."""

    name: str  # of the KPI or of the event
    present: float
    measured: Estimate
    proposed: float

    @property
    def moved(self) -> bool:
        """Whether it is proposed to change."""
        return abs(self.proposed - self.present) > 1e-9


@dataclass(frozen=True)
class Proposal:
    """New weights of a platform's profile, and what they are made from."""

    platform: str
    present: KpiProfile
    proposed: KpiProfile
    first: str  # day
    last: str  # day
    days: int
    orders: float
    value: float  # of orders, currency
    valued: Valued
    worth: tuple[Estimate, Estimate, Estimate]  # of one of each KPI, currency of order value
    preference: tuple[WeightChange, ...]  # of exposure, interaction, conversion
    weights: tuple[WeightChange, ...]  # of events; empty where too few were told
    notes: tuple[str, ...]


def propose(
    evidence: Evidence, ideal: Array, present: KpiProfile, platform: str, least: float = LEAST, seed: int = 0
) -> Proposal:
    """Propose new weights.

    Args:
        evidence: exposures whose orders are known.
        ideal: (3,) ideal point z of the forecast that campaigns are planned on, KPIs in the units of the evidence.
        present: the profile as it is.
        platform: its name.
        least: weight that a KPI which is weighed now keeps.
        seed: of the resampling of days.
    """
    found = worth(evidence.kpi, evidence.value, evidence.day, seed=seed)
    preference, notes = _preference(found, ideal, np.array(present.preference), least)
    weights, more = _weights(evidence, present.weights, seed)
    values = tuple(change.proposed for change in preference)
    by_event = {change.name: change.proposed for change in weights}
    low, high = found.ends()
    estimates = [Estimate(float(w), float(a), float(b)) for w, a, b in zip(found.estimate, low, high, strict=True)]
    return Proposal(
        platform=platform,
        present=present,
        proposed=KpiProfile(
            weights=FunnelWeights(**(present.weights.model_dump() | by_event)),
            preference=(values[0], values[1], values[2]),
        ),
        first=evidence.days[0],
        last=evidence.days[-1],
        days=len(evidence.days),
        orders=float(evidence.converted.sum()),
        value=float(evidence.value.sum()),
        valued=evidence.valued,
        worth=(estimates[0], estimates[1], estimates[2]),
        preference=preference,
        weights=weights,
        notes=(*notes, *more),
    )


def _preference(found: Worth, ideal: Array, present: Array, least: float) -> tuple[tuple[WeightChange, ...], list[str]]:
    """The weights of the KPIs; one that cannot be bought (z = 0) keeps its weight."""
    total = found.estimate @ ideal
    if total <= 0:
        return _kept(KPI, present), ["no KPI goes with order value: the preference stays"]
    shares = found.samples * ideal
    sums = shares.sum(axis=1, keepdims=True)
    shares = shares[sums[:, 0] > 0] / sums[sums[:, 0] > 0]
    low, high = np.quantile(shares, (0.025, 0.975), axis=0)
    measured = found.estimate * ideal / total
    floor = np.where(present > 0, np.minimum(least, present), 0.0)
    moved = np.maximum(np.clip(present, low, high), floor)
    moved = np.where(ideal > 0, moved, present)
    proposed = _sum_to_one(moved, floor)
    if np.allclose(moved, present):
        proposed = present
    changes = tuple(
        WeightChange(name, float(present[j]), Estimate(float(measured[j]), float(low[j]), float(high[j])), float(p))
        for j, (name, p) in enumerate(zip(KPI, proposed, strict=True))
    )
    return changes, []


def _sum_to_one(weights: Array, floor: Array) -> Array:
    """Weights that sum to 1, what is above the floor scaled alike."""
    above = weights - floor
    if above.sum() <= 0:
        return np.asarray(weights / weights.sum())
    return np.asarray(floor + above * (1.0 - floor.sum()) / above.sum())


def _weights(evidence: Evidence, present: FunnelWeights, seed: int) -> tuple[tuple[WeightChange, ...], list[str]]:
    """The weights of events, on the scale of the present ones; types of which few were told keep theirs."""
    if evidence.funnel is None:
        return (), ["no events are told, so that the weights of likes, comments, shares, follows, completions stay"]
    counts = evidence.funnel[:, COMPLETE : FOLLOW + 1].astype(np.float64)
    told = counts.sum(axis=0)
    now = np.array([getattr(present, name) for name in _EVENTS])
    judged = told >= LEAST_TOLD
    few = [name for name, enough in zip(_EVENTS, judged, strict=True) if not enough]
    notes = [f"fewer than {LEAST_TOLD} events of {', '.join(few)} were told: their weights stay"] if few else []
    if judged.sum() < 2 or not (told * now * judged).any():
        return (), notes or ["the events that were told weigh nothing: their weights stay"]
    # what an exposure brings without any event is worth something too
    columns = np.column_stack([np.ones(len(counts)), counts[:, judged]])
    found = worth(columns, evidence.value, evidence.day, seed=seed)
    scale = float((told * now)[judged].sum())

    def scaled(values: Array) -> Array:
        total = values @ told[judged]
        return np.asarray(values * np.divide(scale, total, out=np.zeros_like(total), where=total > 0)[..., None])

    measured, samples = scaled(found.estimate[None, 1:])[0], scaled(found.samples[:, 1:])
    if not measured.any():
        return (), [*notes, "no type of event goes with order value: their weights stay"]
    low, high = np.quantile(samples, (0.025, 0.975), axis=0)
    moved = np.clip(now[judged], low, high)
    if not np.allclose(moved, now[judged]):
        moved = scaled(moved[None])[0]
    names = [name for name, enough in zip(_EVENTS, judged, strict=True) if enough]
    return tuple(
        WeightChange(
            name, float(now[judged][k]), Estimate(float(measured[k]), float(low[k]), float(high[k])), float(moved[k])
        )
        for k, name in enumerate(names)
    ), notes


def _kept(names: tuple[str, ...], present: Array) -> tuple[WeightChange, ...]:
    why = "no KPI goes with order value"
    return tuple(
        WeightChange(n, float(p), Estimate(None, why=why), float(p)) for n, p in zip(names, present, strict=True)
    )
