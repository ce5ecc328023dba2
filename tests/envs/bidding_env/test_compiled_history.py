"""The compiled history against the plain one, which is what serves."""

import numpy as np
import pytest

from bidpilot.bidding.day.history import CHANGE_AGE, FEATURES, History
from bidpilot.envs.bidding_env.compiled_history import CompiledHistory
from bidpilot.envs.bidding_env.episode import Episode
from bidpilot.envs.markets.defaults import preset_forecast, preset_market

AGE = FEATURES.index(CHANGE_AGE)


def test_an_episode_keeps_the_compiled_one() -> None:
    assert isinstance(Episode(preset_market(), preset_forecast(), 2).statistics.history, CompiledHistory)


@pytest.mark.parametrize("rows", [1, 64])
def test_features_are_the_plain_ones_to_the_last_bit(rows: int) -> None:
    """Two days, one after the other; some rows have even traffic, of whose equal splits the first counts."""
    forecast, rng = preset_forecast(), np.random.default_rng(0)
    plain, compiled = (made(forecast, rows) for made in (History, CompiledHistory))
    ages = []
    for _ in range(2):
        level = rng.normal(size=(forecast.slots, 3, rows)) * (np.arange(rows) % 4 != 3)
        count = np.exp2(level[:, 2])
        auctions = np.vstack([np.zeros(rows), np.cumsum(count, axis=0)])
        for history in (plain, compiled):
            history.begin(np.zeros((5, rows)), np.ones(rows), np.ones(rows, np.bool_))
        for t in range(forecast.slots):
            for history in (plain, compiled):
                history.update(t, auctions, level[t], np.ones((3, rows)), np.zeros((5, rows)))
            np.testing.assert_array_equal(compiled.features, plain.features)
            ages.append(plain.features[AGE].copy())
    assert len(np.unique(ages)) > forecast.slots // 2
