"""A market without its targets: the same days, of another digest."""

from dataclasses import fields, replace

import numpy as np

from bidpilot.envs.markets.recorded.replay import RecordedMarket
from bidpilot.envs.markets.without_targets import WithoutTargets
from tests.training.small_logs import small_log


def test_days_are_the_base_markets_but_for_their_targets() -> None:
    log = small_log("log", "conversion")
    base = RecordedMarket(replace(log, days=tuple(replace(day, max_cpa=3.0) for day in log.days)))
    market = WithoutTargets(base)
    assert market.digest != base.digest
    uniforms = np.array([[0.1], [0.9]])
    theirs, own = base.days(uniforms), market.days(uniforms)
    assert (theirs.max_cpa == 3.0).all()
    assert np.isnan(own.max_cpa).all()
    for field in fields(own):
        if field.name != "max_cpa":
            np.testing.assert_array_equal(getattr(own, field.name), getattr(theirs, field.name), err_msg=field.name)
