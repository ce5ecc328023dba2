"""Features that a policy's network is kept from seeing, by the names that a configuration gives them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.day.features import FEATURES, GROUPS, POSITION, SEGMENT_FEATURE
from bidpilot.bidding.feature import Group

_GROUPS: Final[tuple[Group, ...]] = ("preference", "replan")
HIDEABLE: Final = tuple(dict.fromkeys((*_GROUPS, *POSITION)))
"""Every name that may be hidden; one that is a group's and a feature's stands for the group."""


def hidden_columns(names: Iterable[str], segments: int) -> NDArray[np.int64]:
    """Columns of an observation (B, F) of S segments that `names`, each one of `HIDEABLE`, stand for, ascending."""
    groups: dict[str, tuple[str, ...]] = {group: GROUPS[group] for group in _GROUPS}
    wanted = {feature for name in names for feature in groups.get(name, (name,))}
    columns = [column for feature, column in POSITION.items() if feature in wanted]
    if SEGMENT_FEATURE.name in wanted:
        columns += range(len(FEATURES), len(FEATURES) + segments)
    return np.array(columns, np.int64)
