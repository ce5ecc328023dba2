"""The register: classes by stated bounds, and a matrix that leaves out what has no impact measured."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bidpilot.bidding.watch.alarm import Risk
from bidpilot.bidding.watch.register import (
    RANKS,
    RiskEntry,
    impact_class,
    likelihood_class,
    matrix,
    rank,
)


def entry(likelihood: float, money: float | None) -> RiskEntry:
    return RiskEntry(
        risk=Risk.platform_shock,
        effect="traffic falls",
        source="history",
        likelihood=likelihood,
        likelihood_low=0.0,
        likelihood_high=1.0,
        money_lost=money,
    )


@pytest.mark.parametrize(
    ("days", "expected"), [(400, 0), (365, 1), (100, 1), (90, 2), (40, 2), (30, 3), (8, 3), (7, 4), (1, 4)]
)
def test_likelihood_goes_by_once_a_year_a_quarter_a_month_a_week(days: int, expected: int) -> None:
    assert likelihood_class(1 / days) == expected


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 0), (0.0009, 0), (0.001, 1), (0.01, 2), (0.03, 3), (0.0999, 3), (0.1, 4), (2.0, 4)]
)
def test_impact_goes_by_shares_of_the_budget(share: float, expected: int) -> None:
    assert impact_class(share) == expected


@given(st.integers(0, 4), st.integers(0, 4))
def test_a_rank_never_falls_where_a_risk_is_likelier_or_costs_more(likelihood: int, impact: int) -> None:
    here = RANKS.index(rank(likelihood, impact))
    assert here <= RANKS.index(rank(min(likelihood + 1, 4), impact))
    assert here <= RANKS.index(rank(likelihood, min(impact + 1, 4)))
    assert (rank(0, 0), rank(4, 4)) == ("low", "critical")


def test_the_matrix_counts_entries_by_class_and_leaves_out_unmeasured_impact() -> None:
    entries = [entry(1.0, 0.2), entry(0.5, 0.15), entry(0.0, 0.0), entry(0.02, None)]
    expected = np.zeros((5, 5), np.int64)
    expected[4, 4], expected[0, 0] = 2, 1
    np.testing.assert_array_equal(matrix(entries), expected)
    assert entries[3].rank is None
    assert entries[1].expected == pytest.approx(0.075)


def test_an_interval_holds_its_likelihood() -> None:
    with pytest.raises(ValidationError, match="lies outside of"):
        RiskEntry(
            risk=Risk.platform_shock,
            effect="",
            source="suite",
            likelihood=0.5,
            likelihood_low=0.6,
            likelihood_high=0.7,
        )
