"""KPI profiles: each is what its name says, and the order of its weights is the market's."""

import pytest
from pydantic import ValidationError

from bidpilot.bidding.campaign.profile import FunnelWeights, KpiProfile, named_profile, named_profiles
from bidpilot.bidding.errors import InvalidPreference, InvalidProfile, UnknownProfile
from bidpilot.bidding.event import EVENTS
from bidpilot.bidding.kpi import CONVERSION, EXPOSURE, INTERACTION
from bidpilot.envs.synthetic import SyntheticConfig

ONE = {"like": 1.0, "comment": 3.0, "share": 4.0, "follow": 5.0, "completion": 0.2}


def test_each_profile_puts_first_what_its_name_says() -> None:
    first = {"completion-first": EXPOSURE, "interaction-depth-first": INTERACTION, "conversion-first": CONVERSION}
    profiles = named_profiles()
    assert set(profiles) == set(first)
    for name, kpi in first.items():
        assert max(range(3), key=profiles[name].preference.__getitem__) == kpi
    completion = profiles["completion-first"].weights.model_dump()
    assert max(completion, key=completion.__getitem__) == "completion"
    depth = profiles["interaction-depth-first"].weights
    assert min(depth.comment, depth.share, depth.follow) > depth.like > depth.completion


def test_weights_are_in_the_order_of_the_market() -> None:
    """The market's own defaults, named one by one, come out as its tuple."""
    assert FunnelWeights(**ONE).in_market_order() == SyntheticConfig().kpi_weights


def test_weights_are_told_in_the_order_of_events_and_views_and_conversions_weigh_nothing() -> None:
    expected = {"view": 0.0, "complete": 0.2, "like": 1.0, "comment": 3.0, "share": 4.0, "follow": 5.0, "convert": 0.0}
    assert dict(zip(EVENTS, FunnelWeights(**ONE).per_event(), strict=True)) == expected


def test_an_unknown_name_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(UnknownProfile, match="Did you mean conversion-first"):
        named_profile("conversions-first")
    with pytest.raises(UnknownProfile, match="or the path of a YAML file"):
        named_profile("mine")


def test_a_profile_that_counts_nothing_or_weighs_nothing_is_refused() -> None:
    with pytest.raises(InvalidProfile, match="all 0"):
        FunnelWeights(like=0.0, comment=0.0, share=0.0, follow=0.0, completion=0.0)
    with pytest.raises(InvalidPreference):
        KpiProfile(weights=FunnelWeights(**ONE), preference=(0.5, 0.5, 0.5))
    with pytest.raises(ValidationError, match="clicks"):
        KpiProfile.model_validate({"weights": {**ONE, "clicks": 1.0}, "preference": (0.2, 0.3, 0.5)})
    with pytest.raises(ValidationError):
        FunnelWeights.model_validate({**ONE, "like": -1.0})
