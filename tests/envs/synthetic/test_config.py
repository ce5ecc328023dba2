"""The digest of parameters: of what differs from the defaults, so that a new effect changes none."""

from bidpilot.envs.markets.presets import DAILY
from bidpilot.envs.synthetic.config import SyntheticConfig


class Richer(SyntheticConfig):
    """The same market with one more effect, off by default, declared before and after others."""

    a_new_effect: float = 0.0


def test_a_new_effect_that_is_off_changes_no_digest() -> None:
    assert Richer(**DAILY.model_dump()).digest == DAILY.digest
    assert Richer(**DAILY.model_dump(), a_new_effect=0.1).digest != DAILY.digest


def test_a_parameter_spelt_out_at_its_default_is_the_default() -> None:
    assert SyntheticConfig(day_value_std=0.0).digest == SyntheticConfig().digest


def test_every_parameter_that_differs_is_in_the_digest() -> None:
    digests = {SyntheticConfig(**change).digest for change in ({}, {"day_value_std": 0.1}, {"day_price_std": 0.1})}
    assert len(digests) == 3
