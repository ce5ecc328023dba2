"""A day written out is the day that the kernel clears."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bidpilot.bidding.traffic.gate import Gate
from bidpilot.envs.clearing.day import materialise
from tests.envs.clearing.plain_loop import COUNTS_BY_SOURCE, SOURCES, TinyMarket, clear, flat_rule, make_days, make_log


@pytest.mark.parametrize("thin", [False, True], ids=["all", "thinned"])
@pytest.mark.parametrize("overlay", [False, True], ids=["clean", "overlaid"])
@pytest.mark.parametrize("sources", [False, True], ids=["plain", "sources"])
def test_a_day_written_out_has_the_arrivals_origins_and_validity_of_the_kernel(
    thin: bool, overlay: bool, sources: bool
) -> None:
    """All auctions are bought: what the kernel sums is what the arrays hold."""
    market, days = TinyMarket(make_log(), True), make_days(COUNTS_BY_SOURCE, thin, overlay, sources=sources)
    rows = len(days)
    rule = replace(flat_rule(1e6, rows), gate=Gate.open(rows, SOURCES))
    got, _ = clear(market, days, rule, 1e9, reference=np.ones((rows, 3)))
    for b in range(rows):
        day = materialise(market, days, b)
        of_source = np.bincount(day.source, minlength=SOURCES)
        np.testing.assert_array_equal(got.source_auctions[b], of_source)
        np.testing.assert_array_equal(got.source_wins[b], of_source)
        np.testing.assert_array_equal(got.invalid_wins[b], (day.true[:, 0] == 0).sum())
        np.testing.assert_allclose(got.true[b], day.true.sum(axis=0, dtype=np.float64), rtol=2e-6)
        np.testing.assert_allclose(got.predicted[b], day.predicted.sum(axis=0, dtype=np.float64), rtol=2e-6)
        np.testing.assert_allclose(got.price_sum[b], day.price.sum(dtype=np.float64), rtol=2e-6)
