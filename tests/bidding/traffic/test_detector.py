"""The detector on made-up days: who is limited, refused, cleared, remembered, and how that is explained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bidpilot.bidding.errors import InvalidMemory
from bidpilot.bidding.traffic.detector import Detector, DetectorSettings
from bidpilot.bidding.traffic.memory import DECAY, SourceMemory
from bidpilot.bidding.traffic.report import Status
from tests.bidding.traffic.slots import Slot, slot

SHARE = np.array([0.5, 0.3, 0.15, 0.05])
EXPECTED = np.full(12, 200.0)
WINS = [20, 12, 6, 2]
USUAL = slot([100, 60, 30, 10], WINS, [10, 6, 3, 1], [2, 1, 1, 0])
SURGE = 3


def detector(memory: SourceMemory | None = None, late: int = 0) -> Detector:
    found = Detector(SHARE, EXPECTED, 1, memory=memory)
    found.begin(np.full(1, late))
    return found


def surge(views: int) -> Slot:
    """The smallest source sends 110 in place of 10, and wins 12 times."""
    return slot([100, 60, 30, 110], [20, 12, 6, 12], [10, 6, 3, views], [2, 1, 1, 1])


def play(d: Detector, slots: list[Slot], first: int = 0) -> Detector:
    for t, one in enumerate(slots, first):
        d.update(t, one)
    return d


def test_the_gate_is_open_but_for_the_quotas_before_anything_is_seen() -> None:
    gate = detector().gate(0)
    np.testing.assert_array_equal(gate.multiplier, 1.0)
    np.testing.assert_array_equal(gate.quota, [[404, 244, 124, 44]])


def test_people_who_surge_are_limited_until_their_views_clear_them() -> None:
    d = play(detector(), [USUAL] * 2)
    assert d.gate(2).quota[0, SURGE] == 44 < 110
    play(d, [surge(views=6)] * 2, 2)
    assert d.gate(4).quota[0, SURGE] == np.inf
    assert d.explain(0, SURGE).status is Status.open


def test_bots_that_surge_stay_limited_and_in_the_end_are_refused_whole() -> None:
    d = play(detector(), [USUAL] * 2)
    for t in range(2, 10):
        d.update(t, surge(views=0))
        assert np.isfinite(d.gate(t + 1).quota[0, SURGE])
    assert d.gate(10).multiplier[0, SURGE] == 0.0
    np.testing.assert_array_equal(d.gate(10).multiplier[0, :SURGE], 1.0)


def test_what_was_earned_before_the_surge_does_not_clear_it() -> None:
    d = play(detector(), [USUAL] * 8)
    play(d, [surge(views=0)], 8)
    assert np.isfinite(d.gate(9).quota[0, SURGE])


def test_no_multiplier_is_above_one_however_good_a_source_looks() -> None:
    d = play(detector(), [slot([100, 60, 30, 10], WINS, [10, 6, 3, 2], [2, 1, 1, 2])] * 10)
    assert d.gate(10).multiplier.max() == 1.0


def test_a_doubted_source_is_discounted_by_its_probability() -> None:
    d = detector()
    d.outcomes.odds[0] = [-6.0, 0.0, 1.0, 3.0]
    np.testing.assert_allclose(d.gate(0).multiplier, [[1.0, 0.5, 1 - 1 / (1 + np.exp(-1)), 0.0]])


def test_predictions_in_any_unit_give_the_same_gates() -> None:
    """Interactions predicted eight times as high, in a forecast where the mean is, too."""
    one, eight = Detector(SHARE, EXPECTED, 1, 1.0), Detector(SHARE, EXPECTED, 1, 8.0)
    for d, unit in ((one, 1.0), (eight, 8.0)):
        d.begin(np.zeros(1, np.int64))
        for t in range(6):
            s = surge(views=t % 3)
            d.update(t, Slot(**{**vars(s), "source_predicted": unit * s.source_predicted}))
    np.testing.assert_array_equal(one.suspicion(), eight.suspicion())
    np.testing.assert_array_equal(one.estimates(), eight.estimates())


def test_memory_refuses_from_the_first_slot_and_fades() -> None:
    bad = slot([100, 60, 30, 10], WINS, [10, 6, 0, 1], [2, 1, 0, 0])
    d = play(detector(), [bad] * 12)
    assert d.gate(11).multiplier[0, 2] == 0.0
    memory = d.remember()
    again = detector(memory)
    assert again.gate(0).multiplier[0, 2] == 0.0
    assert again.gate(0).multiplier[0, 0] == 1.0
    assert again.explain(0, 2).since == 0
    for _ in range(30):  # silent days
        memory = memory.after(np.zeros((1, 4)), np.zeros((1, 4)))
    assert detector(memory).gate(0).multiplier[0, 2] == 1.0


def test_good_days_do_not_earn_more_trust_than_a_day_can_take_away() -> None:
    memory = SourceMemory.none((4,))
    for _ in range(50):
        memory = memory.after(np.full(4, -5.0), np.zeros(4))
    d = play(detector(memory), [slot([100, 60, 30, 10], WINS, [10, 6, 0, 1], [2, 1, 0, 0])] * 12)
    assert d.gate(11).multiplier[0, 2] == 0.0


def test_memory_is_decayed_kept_in_bounds_and_read_back(tmp_path: Path) -> None:
    memory = SourceMemory(np.array([1.0, -1.0, 100.0]), np.array([10.0, 0.0, 20.0]))
    memory = memory.after(np.array([0.5, 0.5, 0.0]), np.array([1.0, 2.0, 3.0]))
    np.testing.assert_allclose(memory.evidence, [DECAY + 0.5, 0.5 - DECAY, 10.0])
    memory.save(tmp_path / "sources.npz")
    read = SourceMemory.load(tmp_path / "sources.npz")
    np.testing.assert_array_equal(read.evidence, memory.evidence)
    np.testing.assert_allclose(read.requests, [10 * DECAY + 1, 2.0, 20 * DECAY + 3])
    assert read.days == memory.days == 1
    assert [p.name for p in tmp_path.iterdir()] == ["sources.npz"]


def test_a_broken_memory_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "sources.npz").write_bytes(b"no")
    with pytest.raises(InvalidMemory, match="Delete it"):
        SourceMemory.load(tmp_path / "sources.npz")
    with pytest.raises(InvalidMemory, match="finite"):
        SourceMemory(np.array([np.nan]), np.zeros(1))
    with pytest.raises(InvalidMemory, match=r"\(1,\) of them by evidence and of \(2,\) by requests"):
        SourceMemory(np.zeros(1), np.zeros(2))


def test_sources_found_out_make_unknown_ones_less_trusted() -> None:
    known = np.zeros(100)
    calm = SourceMemory(known, known).prior(0.003)
    known[:20] = 9.0
    assert (SourceMemory(known, known).prior(0.003)[20:] > calm[20:]).all()


def test_a_limited_source_is_explained() -> None:
    d = play(detector(), [USUAL, USUAL, surge(views=0)])
    report = d.explain(0, SURGE)
    assert report.status is Status.limited
    assert report.since == 2
    assert report.requests == 110
    assert report.usual == pytest.approx(10, abs=1)
    assert report.quota == 44
    assert "110 requests where 10 are usual" in report.why
    assert "below -1 nats" in report.would_clear
    assert d.explain(0, 0).would_clear == ""


def test_a_limit_that_outlasts_its_surge_is_explained_by_what_is_usual() -> None:
    d = play(detector(), [USUAL, USUAL, surge(views=0), slot([100, 60, 30, 30], WINS, [10, 6, 3, 1], [2, 1, 1, 0])])
    report = d.explain(0, SURGE)
    assert report.status is Status.limited
    assert report.requests == 30
    assert report.usual == pytest.approx(0.05 * 220 + 0.05)  # of 220 requests where 200 are forecast


def test_a_source_that_has_grown_is_not_taken_for_a_smaller_one_every_day() -> None:
    """It sends six times its told share on every day: a surge that does not end."""
    memory, first = SourceMemory.none((4,)), detector().gate(0).quota[0, SURGE]
    for _ in range(8):
        d = play(detector(memory), [slot([100, 60, 30, 60])] * 12)
        assert d.volumes.surging[0, SURGE]
        memory = d.remember()
    assert detector(memory).gate(0).quota[0, SURGE] == pytest.approx(first, abs=1)


def test_a_refused_source_is_explained() -> None:
    bad = slot([100, 60, 30, 10], WINS, [10, 6, 0, 1], [2, 1, 0, 0])
    d, since = detector(), None
    for t in range(10):
        d.update(t, bad)
        if since is None and d.gate(t + 1).multiplier[0, 2] == 0.0:
            since = t + 1
    report = d.explain(0, 2)
    assert report.status is Status.refused
    assert report.since == since
    assert report.multiplier == 0.0
    assert "0 views where" in report.why
    assert "views as many" in report.would_clear


def test_thresholds_are_settings() -> None:
    d = Detector(SHARE, EXPECTED, 1, settings=DetectorSettings(refuse=1.0))
    d.begin(np.zeros(1, np.int64))
    play(d, [slot([100, 60, 30, 10], WINS, [10, 6, 0, 1], [2, 1, 0, 0])] * 10)
    assert 0.0 < d.gate(10).multiplier[0, 2] < 0.01


def test_where_outcomes_speak_against_most_of_the_traffic_tracking_is_doubted() -> None:
    """The views of all but the second source are lost on their way: three quarters of the requests."""
    lost = slot([100, 60, 30, 10], WINS, [0, 6, 0, 0], [0, 1, 0, 0])
    d = play(detector(), [USUAL, *[lost] * 10])
    assert d.suspicion()[0, 0] > 0.99
    np.testing.assert_array_equal(d.gate(11).multiplier, 1.0)


def test_usual_shares_are_what_was_told_and_what_days_before_have_sent() -> None:
    memory = SourceMemory(np.zeros(4), np.array([0.0, 0.0, 300.0, 0.0]))
    np.testing.assert_allclose(memory.share(SHARE, 600.0), (600 * SHARE + [0, 0, 300, 0]) / 900)
    np.testing.assert_array_equal(memory.share(np.zeros(4), 600.0), [0, 0, 1, 0])
    np.testing.assert_array_equal(SourceMemory.none((4,)).share(np.zeros(4), 600.0), 0.0)


def test_sources_that_nobody_knows_are_known_the_day_after() -> None:
    d = Detector(np.zeros(4), EXPECTED, 1)
    d.begin(np.zeros(1, np.int64))
    assert np.isinf(d.gate(0).quota).all()
    play(d, [USUAL] * 12)
    assert np.isinf(d.gate(11).quota).all()
    after = Detector(np.zeros(4), EXPECTED, 1, memory=d.remember())
    after.begin(np.zeros(1, np.int64))
    np.testing.assert_array_equal(after.gate(0).quota, [[404, 244, 124, 44]])


def test_wins_of_a_source_that_is_found_out_count_for_nothing_from_then_on() -> None:
    """Its 6 of the slot's 40; the slots before it was found out stay as they were counted."""
    bad = slot([100, 60, 30, 10], WINS, [10, 6, 0, 1], [2, 1, 0, 0])
    d, shares = detector(), []
    for t in range(10):
        suspected = bool(d.suspicion()[0, 2] > 0.5)
        d.update(t, bad)
        shares.append((suspected, d.filtered()[0]))
    assert shares[0] == (False, 0.0)
    assert shares[-1] == (True, 6 / 40)
    assert all(share == (6 / 40 if suspected else 0.0) for suspected, share in shares)


def test_one_of_several_bidders_believes_what_it_has_seen_and_not_that_many_times() -> None:
    """All is told as four times its share: it knows no more than who saw that share alone, and gives quotas of all."""
    alone, one = detector(), Detector(SHARE, 4 * EXPECTED, 1, watchers=4)
    one.begin(np.zeros(1, np.int64))
    for t, seen in enumerate([USUAL, USUAL, surge(views=0), surge(views=0), USUAL]):
        alone.update(t, seen)
        one.update(t, Slot(**{name: 4 * column for name, column in vars(seen).items()}))
        np.testing.assert_allclose(one.outcomes.odds, alone.outcomes.odds)
        np.testing.assert_allclose(one.suspicion(), alone.suspicion())
        np.testing.assert_allclose(one.gate(t + 1).quota, 4 * alone.gate(t + 1).quota)
    np.testing.assert_allclose(one.found(), alone.found())


def test_an_exchange_that_tells_no_outcomes_closes_no_source_over_many_days() -> None:
    """Nothing is told of anyone: the largest source is not missed more than the others, whatever is remembered."""
    memory = None
    for _ in range(20):
        d = play(detector(memory), [slot([100, 60, 30, 10], WINS)] * 12)
        memory = d.remember()
        np.testing.assert_array_equal(d.gate(11).multiplier, 1.0)
    assert memory is not None
    np.testing.assert_array_equal(memory.evidence, 0.0)


def test_a_good_morning_buys_no_bad_afternoon() -> None:
    """A source brings views for 40 slots and then none: six slots of it are enough, whatever it had earned."""
    d = begun(Detector(SHARE, np.full(48, 2000.0), 1))
    play(d, [slot([1000, 600, 300, 100], [200, 120, 60, 20], [100, 60, 30, 10], [20, 12, 6, 2])] * 40)
    play(d, [slot([1000, 600, 300, 100], [200, 120, 60, 20], [100, 60, 0, 10], [20, 12, 0, 2])] * 6, 40)
    np.testing.assert_array_equal(d.gate(46).multiplier, [[1.0, 1.0, 0.0, 1.0]])


def test_a_surge_that_was_cleared_is_limited_again_once_its_views_stop() -> None:
    d = begun(Detector(SHARE, np.full(48, 2000.0), 1))
    usual, requests, wins = [20, 12, 6, 2], [1000, 600, 300, 1100], [200, 120, 60, 60]
    play(d, [slot([1000, 600, 300, 100], [200, 120, 60, 20], [100, 60, 30, 10], usual)] * 2)
    play(d, [slot(requests, wins, [100, 60, 30, 30], [20, 12, 6, 6])] * 20, 2)
    assert d.gate(22).quota[0, SURGE] == np.inf
    play(d, [slot(requests, wins, [100, 60, 30, 0], [20, 12, 6, 0])] * 3, 22)
    assert np.isfinite(d.gate(25).quota[0, SURGE])


def begun(d: Detector) -> Detector:
    d.begin(np.zeros(1, np.int64))
    return d
