"""What a report is told: what was bought, and what stands beside it, whatever it was read from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.serving.incidents.incident import Incident
from bidpilot.training.report.tables import AgentRow, PreferenceFrontRow
from bidpilot.training.roi.offered import Course, Offered
from bidpilot.training.roi.purchases import Purchases
from bidpilot.training.weekly.planned import Planned
from bidpilot.training.weekly.weighed import Weighed

Array = NDArray[np.float64]
Kind = Literal["run", "log", "decisions"]


@dataclass(frozen=True)
class Limit:
    """One constraint of a campaign: its bound, what the plan attains, and what a step of the bound is worth."""

    name: str
    bound: float
    attained: float
    utility_per_step: float
    money_per_step: float | None  # currency; None where the budget does not bind
    step: str  # what a step is
    meaning: str
    kept: float | None = None  # share of days played on which it was kept; None where nobody looked


@dataclass(frozen=True)
class Front:
    """Plans on the Pareto front, in shares of the ideal point, and where the campaign stands."""

    active: tuple[int, ...]  # KPIs that the forecast has
    share: Array  # (N, 3)
    ends: Array  # (A, 3)
    knee: Array  # (3,)
    own: Array  # (3,) the campaign's own plan
    reached: Array | None = None  # (3,) what was bought, of days in the mean


@dataclass(frozen=True)
class Factor:
    """What one thing multiplies alpha by, (3,) by KPI."""

    name: str
    by_kpi: tuple[float, float, float]


@dataclass(frozen=True)
class Decision:
    """One decision taken apart."""

    what: str  # whose, when
    facts: tuple[tuple[str, str], ...]
    parts: tuple[tuple[str, float], ...] = ()  # of one bid, currency: they add up to the plan's bid
    factors: tuple[Factor, ...] = ()
    kpis: tuple[int, ...] = (0, 1, 2)  # places in KPI of those that are bid for


@dataclass(frozen=True)
class Evidence:
    """All that a report is made of; what is None is told as missing, in the words of `lacks`."""

    kind: Kind
    title: str
    facts: tuple[tuple[str, str], ...]  # name and value, of what was read
    notes: tuple[str, ...] = ()  # what a reader must know before any number
    purchases: Purchases | None = None
    conversion_value: Array | None = None  # (D,) currency
    events: Array | None = None  # (D, 7) events told, in the order of EVENTS
    offered: Offered | None = None
    course: Course | None = None
    limits: tuple[Limit, ...] | None = None
    front: Front | None = None
    campaign: Campaign | None = None  # with what it asks for
    planned: Planned | None = None  # what the plan expects of a day
    weighed: Weighed | None = None  # whose preference counts; None: nobody named one
    incidents: tuple[Incident, ...] | None = None
    decision: Decision | None = None
    scores: tuple[AgentRow, ...] | None = None
    fronts: tuple[PreferenceFrontRow, ...] | None = None  # of agents that were compared by their fronts
    ratio: Array | None = None  # (D,) R / R* of the days played, each the mean of its campaigns; NaN where none has any
    lacks: Mapping[str, str] = field(default_factory=dict)  # by key of a section: why it is missing, and what brings it

    def why_missing(self, section: str, usual: str) -> str:
        """Why a section is missing and what would bring it; `usual` where nothing was said."""
        return self.lacks.get(section, usual)
