"""A campaign's terms as options: those of the campaign, each once, checked by the campaign itself."""

import pytest

from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.campaign.scalarisation import Scalarisation
from bidpilot.bidding.errors import InvalidCampaign, InvalidPreference
from bidpilot.training.cli.overlay import read_config
from bidpilot.training.setting.terms import ANSWERED, TERMS, CampaignTerms, terms_of
from bidpilot.training.train.config import TrainConfig


def test_every_field_of_a_campaign_is_a_term_or_is_answered() -> None:
    assert set(TERMS) | ANSWERED == set(Campaign.model_fields)
    assert not set(TERMS) & ANSWERED
    assert {"preference", "scalarisation", "max_cpa", "channel_caps", "reserve"} <= set(TERMS)
    assert set(TERMS) <= set(TrainConfig.model_fields)


def test_no_term_leaves_a_campaign_as_it_is() -> None:
    own = Campaign(budget=8.0, preference=(0.5, 0.5, 0.0), max_cpa=3.0, channel_caps={"feed": 2.0}, auction="first")
    assert CampaignTerms().terms() == {}
    assert CampaignTerms().agreed(own) == own


def test_typed_terms_stand_in_place_of_the_campaigns_own_and_of_nothing_else() -> None:
    typed = "--preference 0 1 0 --scalarisation nash --min-tail-share 0.3 --channel-caps feed 2 search 3 --reserve 0.1"
    config = read_config(TrainConfig, typed.split(), prog="bidpilot train")
    own = Campaign(budget=8.0, conversion_value=5.0, max_cpa=3.0, feedback="won_only")
    assert config.agreed(own) == Campaign(
        budget=8.0,
        conversion_value=5.0,
        max_cpa=3.0,
        feedback="won_only",
        preference=(0.0, 1.0, 0.0),
        scalarisation=Scalarisation.nash,
        min_tail_share=0.3,
        channel_caps={"feed": 2.0, "search": 3.0},
        reserve=0.1,
    )


@pytest.mark.parametrize(
    ("typed", "error", "reason"),
    [
        ("--preference 0.5 0.5 0.5", InvalidPreference, "sums to 1"),
        ("--max-cpa -3", InvalidCampaign, r"max_cpa must be positive and finite; got -3\.0"),
        ("--reserve 1.5", InvalidCampaign, r"reserve is a share between 0 and 1; got 1\.5"),
        ("--channel-caps feed 0", InvalidCampaign, r"channel_caps must be positive and finite; got 0\.0"),
        ("--kpi-floors 0 0 -1", InvalidCampaign, "kpi_floors are finite and >= 0"),
    ],
)
def test_a_term_that_no_campaign_may_have_is_the_campaigns_own_error(
    typed: str, error: type[Exception], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        read_config(TrainConfig, typed.split(), prog="bidpilot train")


def test_what_is_stored_of_a_campaign_are_its_terms() -> None:
    stored = terms_of(Campaign(budget=8.0, preference=(0.0, 1.0, 0.0), max_cpa=3.0))
    assert tuple(stored) == TERMS
    assert stored["preference"] == (0.0, 1.0, 0.0) or stored["preference"] == [0.0, 1.0, 0.0]
    assert (stored["max_cpa"], stored["scalarisation"]) == (3.0, "weighted_sum")
