"""Days split by users: the parts make the whole, are of one day, and of outcomes of their own."""

from __future__ import annotations

import numpy as np
import pytest

from bidpilot.training.experiments.play import Ground
from bidpilot.training.experiments.splitting import split_days


@pytest.mark.parametrize("treated", [0.5, 0.1])
def test_every_auction_goes_to_one_arm_with_its_probability(small: Ground, treated: float) -> None:
    rng = np.random.default_rng(0)
    days = small.market.days(rng.random((60, small.market.draws)))
    control, other = split_days(small.market, days, (1 - treated, treated), rng)
    assert (control.count + other.count == days.count).all()
    total = int(days.count.sum())
    spread = np.sqrt(total * treated * (1 - treated))
    assert abs(int(other.count.sum()) - treated * total) < 4 * spread
    assert np.abs(other.count - treated * days.count).std() > 0.5 * np.sqrt(days.count.mean() * treated * (1 - treated))


def test_levels_are_of_the_one_day_and_windows_lie_in_the_log(small: Ground) -> None:
    rng = np.random.default_rng(0)
    days = small.market.days(rng.random((20, small.market.draws)))
    parts = split_days(small.market, days, (0.5, 0.5), rng)
    for part in parts:
        assert (part.price_scale == days.price_scale).all()
        assert (part.value_scale == days.value_scale).all()
        assert (part.calibration == days.calibration).all()
        assert part.start.min() >= 0
        assert int((part.start + part.count).max()) <= small.market.log.n
        assert (np.diff(part.start, axis=1) == part.count[:, :-1]).all()
    assert (parts[0].salt != parts[1].salt).all()
