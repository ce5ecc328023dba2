"""Bands learnt from days: the budget of false alarms is kept on others, and shared as it is told."""

from __future__ import annotations

import numpy as np
import pytest

from bidpilot.bidding.errors import InvalidBands
from bidpilot.bidding.watch.metrics import LEVELS, NAMES
from bidpilot.bidding.watch.scan import found
from bidpilot.training.alerts.learn import learn, thresholds
from tests.bidding.watch.honest_days import SLOTS, day, honest_bands, slots_of


def test_the_share_of_honest_days_with_an_alarm_is_as_stated_on_other_days() -> None:
    bands = honest_bands()
    score = found(bands, bands.features(slots_of(day(np.random.default_rng(2), 600)))).score
    alarmed = (score > bands.threshold[:, None, None]).any(axis=(0, 2, 3)).mean()
    assert 0.02 <= alarmed <= 0.08


@pytest.mark.parametrize("rate", [0.05, 0.2])
def test_one_budget_is_shared_by_all_metrics(rate: float) -> None:
    """Days that pass any threshold are the stated share; traffic has the most of it among metrics that are alike."""
    greatest = np.random.default_rng(0).normal(3.0, 1.0, (2, 2000, len(NAMES)))
    limit = thresholds(greatest, rate)
    over = greatest > limit[:, None]
    assert abs(over.any(axis=(0, 2)).mean() - rate) <= 0.01
    shares = over.mean(axis=1)
    assert shares[1, NAMES.index("requests")] > 3 * shares[1, NAMES.index("win rate")]
    assert shares[0, NAMES.index("conversion silence")] > 3 * shares[1, NAMES.index("win rate")]
    assert np.isinf(limit[1, NAMES.index("CPA")])  # cheaper than expected is no alarm


def test_weekdays_have_their_own_level() -> None:
    """Sundays with half the traffic are expected to have it, and other days not."""
    generator = np.random.default_rng(3)
    weekday = np.arange(350) % 7
    traffic = np.where(weekday == 6, 0.5, 1.0)[:, None]
    bands = learn(slots_of(day(generator, 350, traffic)), weekday)
    requests = [metric.name for metric in LEVELS].index("requests")
    assert bands.weekday[6, requests] - bands.weekday[0, requests] == pytest.approx(np.log(0.5), abs=0.05)
    sundays = slots_of(day(generator, 50, 0.5))
    as_sunday, as_monday = (np.abs(bands.residual(sundays, np.full(50, k))[..., requests].mean()) for k in (6, 0))
    assert as_sunday < 0.05 < 0.6 < as_monday


def test_events_are_weighed_by_what_one_counts_for() -> None:
    """Interactions of these days come in twos."""
    assert honest_bands().unit == pytest.approx([2.0, 1.0], rel=0.1)


def test_too_few_days_or_days_under_way_teach_no_bands() -> None:
    totals = day(np.random.default_rng(0), 20)
    with pytest.raises(InvalidBands, match="40 whole days"):
        learn(slots_of(totals))
    slots = slots_of(day(np.random.default_rng(0), 50))
    slots.t = SLOTS - 1
    with pytest.raises(InvalidBands, match="23 of 24 slots"):
        learn(slots)
