"""Files of campaigns: their faults are named with the file, and a profile gives what they leave open."""

from pathlib import Path

import pytest

from bidpilot.bidding.campaign.profile import named_profile
from bidpilot.bidding.errors import BidpilotError, InvalidCampaign, InvalidConfig, UnknownProfile
from bidpilot.training.solve.files import CampaignFile, PortfolioFile, read_file


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("campaign: {budgte: 40}", InvalidConfig, "unknown key campaign.budgte, did you mean budget?"),
        ("campaign: {budget: 40}\nmarkt: daily", InvalidConfig, "unknown key markt, did you mean market?"),
        ("market: mars\ncampaign: {budget: 40}", InvalidConfig, "market = 'mars'"),
        ("market: daily", InvalidConfig, "campaign is required"),
        ("campaign: {budget: 0}", InvalidCampaign, "budget must be positive"),
        ("campaign: {budget: 40, min_tail_share: 1.5}", InvalidCampaign, "between 0 and 1; got 1.5"),
        ("campaign: {budget: 40}\nprofile: conversion-last", UnknownProfile, "Did you mean conversion-first"),
        ("campaign: {budget: 40}\nprofile: 3", InvalidConfig, "profile = 3"),
        ("campaign: [", InvalidConfig, "is not YAML"),
        ("campaign: {budget: 4, forecast_conversion_value: 9}", InvalidConfig, "is no key any more"),
        ("budget: 4\nforecast_conversion_value: 9\ncampaigns: [{name: a}]", InvalidConfig, "Delete it"),
        ("budget: 4\ncampaigns: [{name: a, forecast_conversion_value: 9}]", InvalidConfig, "Delete it"),
    ],
)
def test_a_fault_is_named_with_its_file(tmp_path: Path, text: str, error: type[BidpilotError], message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(error) as caught:
        read_file(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="cannot be read"):
        read_file(tmp_path / "none.yaml")


def test_the_profiles_preference_goes_where_the_campaign_states_none(tmp_path: Path) -> None:
    file, profile = read_file(written(tmp_path, "profile: conversion-first\ncampaign: {budget: 40}"))
    assert isinstance(file, CampaignFile)
    assert profile == named_profile("conversion-first")
    assert file.campaign.preference == profile.preference
    own = "profile: conversion-first\ncampaign: {budget: 40, preference: [1, 0, 0]}"
    file, _ = read_file(written(tmp_path, own))
    assert isinstance(file, CampaignFile)
    assert file.campaign.preference == (1.0, 0.0, 0.0)


def test_a_profile_of_ones_own_is_a_file_beside_the_campaigns(tmp_path: Path) -> None:
    weights = "weights: {like: 0, comment: 1, share: 0, follow: 0, completion: 0}"
    (tmp_path / "talk.yaml").write_text(f"{weights}\npreference: [0, 1, 0]\n")
    _, profile = read_file(written(tmp_path, "profile: talk.yaml\ncampaign: {budget: 40}"))
    assert profile is not None
    assert profile.weights.in_market_order() == (0.0, 1.0, 0.0, 0.0, 0.0)
    (tmp_path / "talk.yaml").write_text(f"{weights}\npreference: [0, 1, 0]\nclicks: 1\n")
    with pytest.raises(InvalidConfig, match=r"talk\.yaml: unknown key clicks"):
        read_file(tmp_path / "mine.yaml")


def test_the_key_campaigns_makes_it_a_portfolio(tmp_path: Path) -> None:
    text = "profile: completion-first\nbudget: 90\ncampaigns:\n- {name: a}\n- {name: b, preference: [0, 0, 1]}\n"
    file, profile = read_file(written(tmp_path, text))
    assert isinstance(file, PortfolioFile)
    assert profile is not None
    assert file.terms() == {
        "budget": 90,
        "campaigns": ({"name": "a", "preference": profile.preference}, {"name": "b", "preference": [0, 0, 1]}),
    }


def test_a_log_is_looked_for_beside_the_file(tmp_path: Path) -> None:
    file, _ = read_file(written(tmp_path, "log: logs/train\ncampaign: {budget: 40}"))
    assert file.log == tmp_path / "logs/train"
