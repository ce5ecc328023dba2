"""Features: each is declared once, in one group, with a range."""

from collections import Counter

import numpy as np
import pytest

from bidpilot.bidding.day.features import (
    FEATURES,
    GROUPS,
    POSITION,
    bounds,
    columns,
    entries,
    feature_names,
    observation_of,
    strange,
)


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


def test_a_feature_of_segments_stands_for_one_entry_of_each() -> None:
    assert entries(["replan", "replan_segment", "nash"], 2) == (
        "replan",
        "replan_segment_0",
        "replan_segment_1",
        "nash",
    )


def test_all_names_in_order_take_an_observation_without_a_copy() -> None:
    seen = np.zeros((3, len(feature_names(2))), np.float32)
    assert np.shares_memory(seen[:, columns(feature_names(2), 2)], seen)
    swapped = (feature_names(2)[1], feature_names(2)[0], *feature_names(2)[2:])
    assert not np.shares_memory(seen[:, columns(swapped, 2)], seen)


def test_columns_are_found_by_name_in_the_order_asked_for() -> None:
    seen = np.arange(len(feature_names(2)), dtype=np.float32)[None]
    last = len(FEATURES) + 1
    np.testing.assert_array_equal(seen[:, columns(["replan_segment_1", "hour_sin", "time_left"], 2)], [[last, 2, 0]])
    with pytest.raises(KeyError, match="replan_segment_2"):
        columns(["replan_segment_2"], 2)


def test_an_observation_of_some_features_holds_no_number_elsewhere() -> None:
    observation = observation_of(np.array([[0.5, 0.25], [0.75, 1.0]]), ["hour_sin", "time_left"], 2)
    assert observation.shape == (2, len(feature_names(2)))
    np.testing.assert_array_equal(observation[:, 2], [0.5, 0.75])
    np.testing.assert_array_equal(observation[:, 0], [0.25, 1.0])
    assert np.isnan(observation).sum() == 2 * (len(feature_names(2)) - 2)


def test_what_is_not_observed_or_in_another_range_is_named() -> None:
    assert strange({"pace_gap": (-1.0, 1.0), "replan_segment_1": (-1, 1)}, 2) == ""
    found = strange({"moon_phase": (0, 1), "pace_gap": (-2.0, 1.0), "replan_segment_2": (-1, 1)}, 2)
    assert found == "moon_phase, replan_segment_2, pace_gap in [-2, 1] and not [-1, 1]"
