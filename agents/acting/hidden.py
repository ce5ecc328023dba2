"""Features that a policy's network is kept from seeing, by the names that a configuration gives them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.day.observation import FEATURES, POSITION, SEGMENT_FEATURE

GROUPS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "preference": (
            "exposure_preference",
            "interaction_preference",
            "conversion_preference",
            "weighted_sum",
            "nash",
            "chebyshev",
        ),
        "replan": ("replan", "replan_change", SEGMENT_FEATURE.name),
    }
)
"""Group to the features in it; a name that is a group's and a feature's stands for the group."""

HIDEABLE: Final = tuple(dict.fromkeys((*GROUPS, *POSITION)))
"""Every name that may be hidden."""


def hidden_columns(names: Iterable[str], segments: int) -> NDArray[np.int64]:
    """Columns of an observation (B, F) of S segments that `names`, each one of `HIDEABLE`, stand for, ascending."""
    wanted = {feature for name in names for feature in GROUPS.get(name, (name,))}
    columns = [column for feature, column in POSITION.items() if feature in wanted]
    if SEGMENT_FEATURE.name in wanted:
        columns += range(len(FEATURES), len(FEATURES) + segments)
    return np.array(columns, np.int64)
