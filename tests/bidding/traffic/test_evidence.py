"""Evidence against SciPy's negative binomial."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import nbinom

from bidpilot.bidding.traffic.evidence import chance_of, evidence, log_odds


@pytest.mark.parametrize("factor", [0.1, 1.0, 3.0])
@pytest.mark.parametrize("shape", [5.0, 40.0])
def test_evidence_is_the_log_likelihood_ratio_of_gamma_poisson_counts(factor: float, shape: float) -> None:
    mean = np.array([0.2, 1.0, 4.0, 25.0])[:, None]
    count = np.arange(40.0)[None]
    usual, other = (nbinom.logpmf(count, shape, shape / (shape + m)) for m in (mean, factor * mean))
    np.testing.assert_allclose(evidence(count, mean, factor, shape), other - usual, atol=1e-9)


def test_nothing_expected_and_nothing_told_says_nothing() -> None:
    assert evidence(np.zeros(1), np.zeros(1), 0.1, 40.0)[0] == 0.0


def test_log_odds_and_chance_are_inverse() -> None:
    for chance in (0.003, 0.5, 0.97):
        assert chance_of(np.array([log_odds(chance)]))[0] == pytest.approx(chance, rel=1e-12)
