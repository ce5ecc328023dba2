"""Features that a policy's network is kept from seeing, by the names that a configuration gives them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from bidpilot.bidding.day.features import GROUPS, POSITION, entries, feature_names
from bidpilot.bidding.feature import Group

_GROUPS: Final[tuple[Group, ...]] = ("preference", "replan", "history")
HIDEABLE: Final = tuple(dict.fromkeys((*_GROUPS, *POSITION)))
"""Every name that may be hidden; one that is a group's and a feature's stands for the group."""


def seen_features(hidden: Iterable[str], segments: int) -> tuple[str, ...]:
    """Names of the entries of an observation over S segments but those that `hidden`, of `HIDEABLE`, stands for."""
    groups: dict[str, tuple[str, ...]] = {group: GROUPS[group] for group in _GROUPS}
    unseen = set(entries((feature for name in hidden for feature in groups.get(name, (name,))), segments))
    return tuple(name for name in feature_names(segments) if name not in unseen)
