"""Volume: quotas, the onset of surges, and the level of the rest."""

from __future__ import annotations

import numpy as np

from bidpilot.bidding.traffic.volume import Volumes, VolumeSettings

SHARE = np.array([0.5, 0.3, 0.15, 0.05])
EXPECTED = np.full(12, 200.0)


def volumes(rows: int = 1, learn: float = 20.0) -> Volumes:
    found = Volumes(EXPECTED, (rows, len(SHARE)), VolumeSettings(learn=learn))
    found.begin(SHARE)
    return found


def requests(*counts: float) -> np.ndarray:
    return np.array([counts], np.float64)


def test_a_source_gets_a_few_times_its_usual_requests_and_as_many_more() -> None:
    np.testing.assert_array_equal(volumes().limits(0), [[4 * 101, 4 * 61, 4 * 31, 4 * 11]])


def test_quotas_rise_with_the_level_of_traffic_and_do_not_fall_with_it() -> None:
    v = volumes()
    v.update(0, requests(200, 120, 60, 20))  # twice the forecast
    np.testing.assert_array_equal(v.limits(1), np.floor(4 * (2 * 200 * v._share + 1)))
    v = volumes()
    v.update(0, requests(50, 30, 15, 5))
    assert (v.limits(1) >= np.floor(4 * (200 * v._share + 1))).all()


def test_a_surge_begins_where_the_quota_is_passed_and_its_slots_tell_what_is_beyond_the_usual() -> None:
    v = volumes()
    assert not v.update(0, requests(100, 60, 30, 10)).any()
    begun = v.update(1, requests(100, 60, 30, 60))
    np.testing.assert_array_equal(begun, [[False, False, False, True]])
    assert v.onset[0, 3] == 1
    usual = SHARE[3] * 200 * v._level[0, 0] + 0.05
    np.testing.assert_allclose(v.excess[0, 3], 1 - usual / 60, atol=0.01)
    np.testing.assert_array_equal(v.excess[0, :3], 0.0)


def test_a_surge_of_one_source_does_not_move_the_level_of_the_rest() -> None:
    v = volumes()
    v.update(0, requests(100, 60, 30, 400))
    np.testing.assert_allclose(v._level, 1.0, atol=0.02)


def test_a_surge_below_the_quota_is_noticed_by_its_cumulative_evidence_and_its_quota_tightens() -> None:
    v = volumes(learn=1e9)  # what it sends is not taken for its usual
    v.update(0, requests(100, 60, 30, 26))  # below four times its usual and more; 5 nats for three times as many
    assert not v.surging[0, 3]
    v.update(1, requests(100, 60, 30, 26))
    assert v.surging[0, 3]
    assert v.limits(2)[0, 3] == np.floor(2 * (SHARE[3] * 200 * v._level[0, 0] + 1)) < 44


def test_a_surge_is_another_one_only_after_some_slots_of_calm() -> None:
    v = volumes()
    v.update(0, requests(100, 60, 30, 60))
    for t in range(1, 9):
        assert not v.update(t, requests(100, 60, 30, 0))[0, 3]  # silent
    assert v.surging[0, 3]
    v.update(9, requests(100, 60, 30, 0))
    assert not v.surging[0, 3]
    assert v.update(10, requests(100, 60, 30, 90))[0, 3]
    assert v.onset[0, 3] == 10


def test_shares_are_learnt_from_slots_without_a_surge_alone() -> None:
    v = volumes()
    for t in range(5):
        v.update(t, requests(100, 60, 22, 18))  # the last sends almost twice its told share
    level = v._foreseen[0, 3] / (SHARE[3] * 200 * 5)
    np.testing.assert_allclose(v._share[0, 3], SHARE[3] * (20 + 90) / (20 + 50 * level))
    before = v._share[0, 3]
    v.update(5, requests(100, 60, 22, 500))
    assert v._share[0, 3] == before


def test_of_a_surge_only_what_is_usual_counts_as_ordinary() -> None:
    v = volumes()
    v.update(0, requests(100, 60, 30, 10))
    v.update(1, requests(100, 60, 30, 500))
    np.testing.assert_array_equal(v.ordinary[0, :3], [200, 120, 60])
    assert v.ordinary[0, 3] == 10 + v.usual[0, 3]
    np.testing.assert_allclose(v.usual[0, 3], 10, atol=0.3)


def test_a_day_begins_with_nothing_seen() -> None:
    v, fresh = volumes(), volumes()
    for t in range(4):
        v.update(t, requests(10, 60, 30, 300))
    v.begin(SHARE)
    np.testing.assert_array_equal(v.limits(0), fresh.limits(0))
    for t in range(3):
        for one in (v, fresh):
            one.update(t, requests(100, 60, 30, 10))
    np.testing.assert_array_equal(v.limits(3), fresh.limits(3))
    np.testing.assert_array_equal(v.ordinary, fresh.ordinary)
    assert not v.surging.any()


def test_rows_are_apart() -> None:
    v = volumes(2)
    v.update(0, np.array([[100.0, 60, 30, 10], [100.0, 60, 30, 400]]))
    np.testing.assert_array_equal(v.surging[:, 3], [False, True])


def test_a_source_that_is_not_known_has_no_quota_and_leaves_the_level_of_the_others_alone() -> None:
    v = Volumes(EXPECTED, (1, 4), VolumeSettings())
    v.begin(np.array([0.6, 0.4, 0.0, 0.0]))
    for t in range(4):
        assert not v.update(t, requests(120, 80, 5000, 0)).any()
        np.testing.assert_array_equal(np.isinf(v.limits(t + 1)), [[False, False, True, True]])
        np.testing.assert_allclose(v._level, 1.0, atol=0.01)
    np.testing.assert_array_equal(v.excess, 0.0)


def test_a_slot_of_which_the_forecast_expects_nothing_limits_nobody() -> None:
    """Closed hours of the training days say nothing of what comes in them: no quota, no surge, no level."""
    v = Volumes(np.array([0.0, 200.0, 200.0]), (1, len(SHARE)), VolumeSettings())
    v.begin(SHARE)
    np.testing.assert_array_equal(v.limits(0), np.inf)
    assert not v.update(0, requests(100, 60, 30, 10)).any()
    assert not v.surging.any()
    np.testing.assert_array_equal(v.limits(1), [[404, 244, 124, 44]])
    np.testing.assert_array_equal(v.total, [[100, 60, 30, 10]])
