"""Which features belong together, and which ones say where we are rather than how the day goes."""

from __future__ import annotations

from bidpilot.agents.acting.hidden import GROUPS as HIDEABLE_GROUPS
from bidpilot.bidding.constraints.catalogue import CATALOGUE
from bidpilot.bidding.day.observation import SEGMENT_FEATURE

CONSTANT = tuple(f.name for c in CATALOGUE for f in c.features[: c.constant_features])
"""Features of constraints that stay the same all day."""
CHANGING = tuple(f.name for c in CATALOGUE for f in c.features[c.constant_features :])
"""Features of constraints that follow what was won."""

GROUPS: dict[str, tuple[str, ...]] = {
    "clock": ("time_left", "block_left", "hour_sin", "hour_cos", "planned_share"),
    "campaign": (
        "tightness",
        *HIDEABLE_GROUPS["preference"],
        "first_price",
        "full_feedback",
        "win_delay",
        "interaction_delay",
        "conversion_delay",
        *CONSTANT,
    ),
    "budget": ("budget_left", "budget_free", "pace_gap"),
    "traffic": ("traffic_slot", "traffic_block", "traffic_day", "traffic_mean"),
    "value": ("value_slot", "value_block", "value_day", "value_mean"),
    "price": ("price_block", "price_day", "price_mean"),
    "value per price": ("ratio_50", "ratio_75", "ratio_90", "ratio_97", "ratio_99"),
    "wins and cost": ("win_rate", "win_rate_day", "cost_slot", "cost_day"),
    "KPI so far": (
        "exposure_to_plan",
        "interaction_to_plan",
        "conversion_to_plan",
        "exposure_to_ideal",
        "interaction_to_ideal",
        "conversion_to_ideal",
    ),
    "re-plan": HIDEABLE_GROUPS["replan"],
    "constraints": CHANGING,
    "previous action": ("last_scale", "last_interaction_tilt", "last_conversion_tilt"),
    "invalid traffic": ("invalid_share",),
    "memory": (),
}
"""Group to the features in it; `memory` holds what a controller remembers."""

CONTEXT = frozenset((*GROUPS["clock"], *GROUPS["campaign"]))
"""Features that are the same on a day as forecast, and so have no share."""

_GROUP_OF = {name: group for group, names in GROUPS.items() for name in names}


def group_of(name: str) -> str:
    """The group of an input: a feature, a re-plan's segment entry, or a `memory_...`."""
    if name.startswith("memory_"):
        return "memory"
    if name.startswith(f"{SEGMENT_FEATURE.name}_"):
        name = SEGMENT_FEATURE.name
    return _GROUP_OF[name]
