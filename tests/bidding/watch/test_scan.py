"""What a scan tells of a day, and what it does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bidpilot.bidding.day.slot_totals import SlotTotals
from bidpilot.bidding.errors import InvalidBands
from bidpilot.bidding.watch.alarm import Alarm, Risk
from bidpilot.bidding.watch.bands import Bands
from bidpilot.bidding.watch.scan import Delays, Scan
from tests.bidding.watch.honest_days import BUDGET, CURVE, SLOTS, day, honest_bands, slots_of

HALVED = np.where(np.arange(SLOTS) < 10, 1.0, 0.5)


def _scanned(
    totals: Sequence[SlotTotals | None], budget: float = BUDGET, weekday: int | None = None, requests: float = 1.0
) -> list[Alarm]:
    scan = Scan(honest_bands(), budget, weekday, requests)
    return [alarm for one in totals for alarm in scan.close(one)]


def _one(seed: int, traffic: np.ndarray | float = 1.0, told: bool = True) -> list[SlotTotals]:
    return day(np.random.default_rng([7, seed]), 1, traffic, told)


def test_a_loss_of_half_the_traffic_is_told_as_one_shock_within_two_slots() -> None:
    """Of 20 days nearly all, and none of them twice: the level stays down."""
    told = [_scanned(_one(seed, HALVED)) for seed in range(20)]
    shocks = [[a for a in alarms if a.risk is Risk.platform_shock and a.metric == "requests"] for alarms in told]
    delays = [alarms[0].slot - 10 for alarms in shocks if alarms]
    assert len(delays) >= 19
    assert np.median(delays) <= 2
    assert all(len(alarms) <= 1 for alarms in shocks)


def test_an_alarm_shows_its_window_against_its_band() -> None:
    (alarm,) = [a for a in _scanned(_one(3, HALVED)) if a.metric == "requests"]
    assert alarm.first >= 10
    assert alarm.score > alarm.threshold
    assert alarm.observed < alarm.low < alarm.expected < alarm.high
    assert f"slot {alarm.slot}" in alarm.explanation or f"to {alarm.slot}" in alarm.explanation


def test_honest_days_are_mostly_quiet() -> None:
    quiet = sum(not _scanned(_one(seed)) for seed in range(30))
    assert quiet >= 25  # 28 or 29 are expected; 5 days at 5 % are one in fifty


def test_a_day_of_another_curve_is_told_once_as_that() -> None:
    """Demand of the night by day: requests leave their bands slot after slot, and are told of once."""
    mirrored = CURVE[::-1] / CURVE
    for seed in range(10):
        alarms = _scanned(_one(seed, mirrored))
        regime = [a for a in alarms if a.risk is Risk.regime_change]
        assert len(regime) == 1
        assert "Re-fit the forecast" in regime[0].explanation
        assert sum(a.metric == "requests" for a in alarms) <= 2


def test_an_outage_of_tracking_is_told_and_a_loss_of_traffic_is_none() -> None:
    silent = [[a.risk for a in _scanned(list(_one(seed, told=False)))] for seed in range(10)]
    assert all(Risk.tracking_outage in risks for risks in silent)
    assert not any(a.risk is Risk.tracking_outage for seed in range(10) for a in _scanned(_one(seed, HALVED)))


def test_what_is_told_late_is_no_outage_when_it_is_known_to_come_late() -> None:
    """Outcomes of each slot arrive three slots later."""
    totals = _one(11)
    bare = [replace(one, realised=np.zeros((1, 3))) for one in totals]

    def risks(delays: Delays) -> list[Risk]:
        scan, found = Scan(honest_bands(), BUDGET, delays=delays), []
        for t, one in enumerate(bare):
            if t >= 3:
                late = SlotTotals.zeros(1, 1, 2)
                late.realised[:] = totals[t - 3].realised
                scan.late(t - 3, late)
            found += scan.close(one)
        return [alarm.risk for alarm in found]

    assert Risk.tracking_outage not in risks(Delays(interactions=3, conversions=3))


def test_what_comes_late_counts_as_if_it_had_come_in_time() -> None:
    totals = _one(5)
    in_time, late = Scan(honest_bands(), BUDGET), Scan(honest_bands(), BUDGET)
    for one in totals[:10]:
        in_time.close(one)
        late.close(replace(one, realised=np.zeros((1, 3))))
    for slot, one in enumerate(totals[:10]):
        told = SlotTotals.zeros(1, 1, 2)
        told.realised[:] = one.realised
        late.late(slot, told)
    assert in_time.close(totals[10]) == late.close(totals[10])
    for name, counts in in_time.slots.counts.items():
        np.testing.assert_array_equal(counts, late.slots.counts[name])


def test_closing_the_slots_again_tells_the_same() -> None:
    totals = _one(4, HALVED)
    assert _scanned(totals) == _scanned(totals)


@pytest.mark.parametrize("times", [0.125, 8.0])
def test_bands_of_money_go_with_the_budget(times: float) -> None:
    """A campaign that has, spends and gets so many times as much is as usual, and as unusual."""
    for traffic in (1.0, HALVED):
        totals = _one(2, traffic)
        scaled = [replace(one, spend=one.spend * times, predicted=one.predicted * times) for one in totals]
        money = ("spend", "CPA", "exposure", "interaction", "conversion")
        ours, theirs = (
            [alarm for alarm in _scanned(slots, budget) if alarm.metric in money]
            for slots, budget in ((totals, BUDGET), (scaled, times * BUDGET))
        )
        assert ours == theirs


def test_a_planned_event_is_no_shock() -> None:
    """Requests doubled by a sale that was named beforehand."""
    doubled = [_one(seed, 2.0) for seed in range(10)]
    planned = [[a for a in _scanned(totals, requests=2.0) if a.metric == "requests"] for totals in doubled]
    unplanned = [[a for a in _scanned(totals) if a.metric == "requests"] for totals in doubled]
    assert sum(map(bool, planned)) <= 2
    assert sum(map(bool, unplanned)) == 10


def test_slots_that_nobody_saw_tell_nothing() -> None:
    """A server that was away for eight slots hears no shock when it comes back, and no outage."""
    for seed in range(10):
        totals: list[SlotTotals | None] = [*_one(seed)]
        totals[6:14] = [None] * 8
        assert len(_scanned(totals)) <= 1


def test_a_day_has_no_slots_beyond_its_last() -> None:
    scan = Scan(honest_bands(), BUDGET)
    totals = _one(0)
    for one in totals:
        scan.close(one)
    assert scan.over
    with pytest.raises(InvalidBands, match="24 slots"):
        scan.close(totals[0])


def test_bands_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "bands.npz"
    honest_bands().save(path)
    totals = slots_of(day(np.random.default_rng(0), 3, HALVED))
    before, after = (bands.scores(bands.features(totals)) for bands in (honest_bands(), Bands.load(path)))
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("damage", ["cut", "absent", "shape", "not a number"])
def test_bands_that_are_not_whole_are_refused(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "bands.npz"
    honest_bands().save(path)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:200])
    elif damage == "absent":
        path.unlink()
    else:
        arrays = dict(np.load(path))
        arrays |= {"unit": np.ones(3)} if damage == "shape" else {"centre": arrays["centre"] * np.nan}
        np.savez(path, **arrays)
    with pytest.raises(InvalidBands):
        Bands.load(path)
