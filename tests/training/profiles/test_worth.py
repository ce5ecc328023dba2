"""What KPIs are worth by orders: recovered where it is known, with intervals that hold, refused where it is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bidpilot.bidding.errors import TooLittleEvidence
from bidpilot.training.profiles.evidence import LEAST_DAYS, Evidence
from bidpilot.training.profiles.worth import worth
from bidpilot.training.roi.purchases import Valued
from tests.training.profiles.orders import WORTH, orders
from tests.training.roi.written import drawn
from tests.training.small_logs import small_log


def test_intervals_hold_what_orders_were_drawn_from() -> None:
    """Three KPIs, forty families of 60 days: at nominal 95 % of 120 intervals, 114 hold; 105 are asked for."""
    held = 0
    for seed in range(40):
        evidence = orders(seed, days=60, each=300)
        low, high = worth(evidence.kpi, evidence.value, evidence.day, samples=200, seed=seed).ends()
        held += int(((low <= WORTH) & (high >= WORTH)).sum())
    assert held >= 105


def test_without_noise_the_worth_is_exact_and_an_empty_column_is_worth_nothing() -> None:
    evidence = orders(0, days=30, each=100)
    kpi = evidence.kpi * np.array([1.0, 0.0, 1.0])
    found = worth(kpi, kpi @ np.array([0.01, 5.0, 9.0]), evidence.day, samples=20)
    assert found.estimate == pytest.approx([0.01, 0.0, 9.0], rel=1e-6)
    low, high = found.ends()
    assert low == pytest.approx(high, rel=1e-6)
    assert not worth(0 * kpi, evidence.value, evidence.day, samples=5).samples.any()


def test_worth_is_in_currency_per_unit() -> None:
    evidence = orders(1, days=30, each=200)
    plain = worth(evidence.kpi, evidence.value, evidence.day, samples=5)
    dear = worth(evidence.kpi * np.array([1.0, 4.0, 1.0]), 8.0 * evidence.value, evidence.day, samples=5)
    assert dear.estimate == pytest.approx(plain.estimate * np.array([8.0, 2.0, 8.0]), rel=1e-6)


def test_too_little_evidence_is_refused_by_name() -> None:
    bought = drawn(days=LEAST_DAYS - 1)
    with pytest.raises(TooLittleEvidence, match="27 days with"):
        Evidence.of_purchases(bought)
    with pytest.raises(TooLittleEvidence, match="no outcome is known"):
        Evidence.of_purchases(replace(bought, valued=Valued.expected))
    with pytest.raises(TooLittleEvidence, match="records no conversions"):
        Evidence.of_log(small_log("small", "conversion"))


def test_the_last_quarter_alone_is_looked_at() -> None:
    """By dates where there are dates, so that a hole in the log makes no quarter longer."""
    bought = replace(drawn(days=120, each=30), days=tuple(f"unit {k}" for k in range(120)))
    found = Evidence.of_purchases(bought)
    assert (found.days[0], len(found.days), found.day.min(), found.day.max()) == ("unit 29", 91, 0, 90)
    dated = np.datetime64("2026-01-01") + np.where(np.arange(120) < 60, np.arange(120), np.arange(120) + 40)
    some = Evidence.of_purchases(replace(bought, days=tuple(str(day) for day in dated)))
    assert (some.days[0], len(some.days)) == ("2026-04-11", 60)  # the hole is of 40 days


def test_a_log_gives_all_its_auctions_with_orders_or_the_days_conversion_value() -> None:
    log = small_log("small", "interaction", "conversion", units=30)
    converted = (np.random.default_rng(0).random(log.n) < log.conversion).astype(np.float32)
    plain = Evidence.of_log(replace(log, converted=converted))
    assert (len(plain.value), plain.valued, len(plain.days)) == (log.n, Valued.constant, 30)
    assert plain.value.sum() == pytest.approx(2.0 * converted.sum())
    orders_told = (5.0 * converted * (np.arange(log.n) % 2)).astype(np.float32)
    mixed = Evidence.of_log(replace(log, converted=converted, order_value=orders_told))
    assert mixed.valued is Valued.mixed
    assert set(np.unique(mixed.value).tolist()) == {0.0, 2.0, 5.0}
