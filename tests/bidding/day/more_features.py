"""A version that observes one feature more than this one does, for what must not mind."""

from __future__ import annotations

import pytest

from bidpilot.bidding.day import features
from bidpilot.bidding.feature import Feature


def add_feature(monkeypatch: pytest.MonkeyPatch, before: str) -> int:
    """Declare `moon_phase` in front of the feature `before`, until the test ends; the column where it stands."""
    place = features.POSITION[before]
    added = Feature("moon_phase", "clock", 0, 1, "share of the moon that is lit")
    grown = (*features.FEATURES[:place], added, *features.FEATURES[place:])
    monkeypatch.setattr(features, "FEATURES", grown)
    for column, feature in enumerate(grown):  # in the mapping itself, which others have imported
        monkeypatch.setitem(features.POSITION, feature.name, column)
    return place
