"""All sections, in the order of the page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bidpilot.training.reporting.evidence import Evidence
from bidpilot.training.reporting.sections import (
    bought,
    card,
    constraints,
    decision,
    fairness,
    front,
    funnel,
    incidents,
    invalid,
    pace,
    roi,
    scores,
    tail,
    users,
    weeks,
)
from bidpilot.training.reporting.sections.section import Section

SECTIONS: Final[tuple[Callable[[Evidence], Section], ...]] = (
    bought.section,
    roi.section,
    roi.channels,
    card.section,
    weeks.section,
    funnel.section,
    tail.section,
    fairness.section,
    users.section,
    pace.section,
    constraints.section,
    front.section,
    scores.section,
    incidents.section,
    invalid.section,
    decision.section,
)


def sections(evidence: Evidence) -> tuple[Section, ...]:
    """What the evidence tells, section by section, and what it does not."""
    return tuple(section(evidence) for section in SECTIONS)
