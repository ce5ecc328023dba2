"""Sample-ratio mismatch: whether arms get the shares of users that they were meant to get, tested at every look.

The sequential multinomial test of Lindon and Malek, "Anytime-valid inference for multinomial count data" (NeurIPS 2022,
eq. 5): the Bayes factor of shares drawn from a Dirichlet(a) against the shares `p` that were meant, after counts n,

    log E = log G(A) / G(A + N) + sum_k log G(a_k + n_k) / G(a_k) - sum_k n_k log p_k,   A = sum a, N = sum n

It is a martingale with mean 1 where the split is as meant, so that it ever reaches 1 / alpha with probability at most
alpha. Counts are of independent assignments: count users, not the requests of one user, which all go to one arm.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

ALPHA: Final = 0.01
"""Share of experiments with a sound split that may be called broken."""
CONCENTRATION: Final = 2000.0
"""Weight of the prior, in users: shares off by about 1 / sqrt(weight), one or two in a hundred, are found soonest."""


def log_mismatch(
    counts: NDArray[np.integer], shares: Sequence[float], concentration: float = CONCENTRATION
) -> NDArray[np.float64]:
    """Log e-value (...) of another split than `shares` (K,), of counts (..., K) of users so far."""
    p = np.array(shares) / np.sum(shares)
    a = concentration * p
    n = np.asarray(counts, np.float64)
    evidence: NDArray[np.float64] = (
        gammaln(concentration)
        - gammaln(concentration + n.sum(axis=-1))
        + (gammaln(a + n) - gammaln(a)).sum(axis=-1)
        - n @ np.log(p)
    )
    return evidence
