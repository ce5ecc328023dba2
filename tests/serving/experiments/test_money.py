"""What each arm has less of its budget, of what others have spent of it."""

from __future__ import annotations

import numpy as np
import pytest

from bidpilot.serving.experiments.money import borne_by


def test_each_arm_bears_its_share_where_it_can() -> None:
    assert borne_by([0.25, 0.75], [10.0, 30.0], [5.0, 20.0], 8.0) == [2.0, 6.0]


def test_what_an_arm_has_spent_already_is_borne_by_the_others() -> None:
    assert borne_by([0.5, 0.5], [20.0, 20.0], [18.0, 0.0], 10.0) == [5.0, 8.0]
    assert borne_by([0.5, 0.5], [20.0, 20.0], [20.0, 20.0], 0.0) == [0.0, 0.0]


@pytest.mark.parametrize("seed", range(200))
def test_whatever_is_ordered_later_all_together_have_no_more_than_the_greatest_budget(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.ones(int(rng.integers(2, 9))))
    budget, spent = rng.uniform(1.0, 10.0), rng.choice([0.0, rng.uniform(0.0, 8.0)])
    own = rng.uniform(0.0, 1.5, len(shares)) * shares * budget * rng.integers(0, 2, len(shares))
    less = np.array(borne_by(shares.tolist(), (shares * budget).tolist(), own.tolist(), spent))
    assert (less >= 0.0).all()
    for later in [budget, *rng.uniform(0.1, 20.0, 20)]:
        whole = spent + np.maximum(own, shares * later - less).sum()
        assert whole <= max(budget, later, spent + own.sum()) + 1e-9
