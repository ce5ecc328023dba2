"""Features: each is declared once, in one group, with a range."""

from collections import Counter

from bidpilot.bidding.day.features import FEATURES, GROUPS, POSITION, bounds, feature_names


def test_every_feature_is_in_one_group_and_no_group_is_empty() -> None:
    count = Counter(name for names in GROUPS.values() for name in names)
    assert set(count.values()) == {1}
    assert set(count) == {*POSITION, "replan_segment"}
    assert all(GROUPS.values())


def test_no_two_features_share_a_name_and_segments_come_last() -> None:
    names = feature_names(2)
    assert len(set(names)) == len(names) == len(FEATURES) + 2
    assert names[-2:] == ("replan_segment_0", "replan_segment_1")
    assert names[POSITION["pace_gap"]] == "pace_gap"


def test_every_range_holds_more_than_one_value() -> None:
    low, high = bounds(3)
    assert len(low) == len(FEATURES) + 3
    assert (low < high).all()
