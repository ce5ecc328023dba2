"""A wrapper is its base in all that it does not say otherwise."""

import numpy as np

from bidpilot.envs.logs.day_batch import DayBatch
from bidpilot.envs.markets.base import Market, MarketWrapper
from bidpilot.envs.markets.defaults import preset_market


class Dearer(MarketWrapper):
    """Prices doubled, and nothing else said."""

    def days(self, uniforms: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> DayBatch:
        made = self.base.days(uniforms)
        made.price_scale[:] *= 2
        return made


def test_what_a_wrapper_does_not_override_is_its_bases() -> None:
    base = preset_market()
    wrapped: Market = Dearer(base)
    names = {name for name in vars(Market) if isinstance(vars(Market)[name], property)}
    assert names == {"log", "slots", "draws", "level_slots", "draws_outcomes", "digest"}
    for name in names - {"log"}:
        assert getattr(wrapped, name) == getattr(base, name)
    assert wrapped.log is base.log


def test_what_a_wrapper_overrides_is_its_own() -> None:
    base = preset_market()
    uniforms = np.random.default_rng(0).random((2, base.draws))
    plain, dearer = MarketWrapper(base).days(uniforms), Dearer(base).days(uniforms)
    np.testing.assert_array_equal(plain.price_scale, base.days(uniforms).price_scale)
    np.testing.assert_array_equal(dearer.price_scale, 2 * plain.price_scale)
    np.testing.assert_array_equal(dearer.count, plain.count)
