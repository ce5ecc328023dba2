"""Files of named profiles."""

from __future__ import annotations

from pathlib import Path

import pytest

from bidpilot.bidding.campaign.profile import DEFAULT_WEIGHTS, KpiProfile, named_profile
from bidpilot.bidding.errors import InvalidConfig, InvalidPreference, InvalidProfile, UnknownProfile
from bidpilot.training.setting.profiles import find_profile, read_profiles, write_profile
from bidpilot.training.solve.files import CampaignFile, read_file

OWN = KpiProfile(weights=DEFAULT_WEIGHTS, preference=(0.5, 0.25, 0.25))


def test_profiles_are_put_into_a_file_and_found_there_by_name(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "platforms.yaml"
    write_profile(file, "shorts", OWN)
    write_profile(file, "feed", named_profile("completion-first"))
    write_profile(file, "shorts", OWN.model_copy(update={"preference": (0.0, 0.0, 1.0)}))
    assert list(read_profiles(file)) == ["shorts", "feed"]
    assert find_profile("folder/platforms.yaml#feed", tmp_path) == named_profile("completion-first")
    assert find_profile("folder/platforms.yaml#shorts", tmp_path).preference == (0.0, 0.0, 1.0)
    assert find_profile("conversion-first", tmp_path) == named_profile("conversion-first")


def test_what_is_no_profile_is_named_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    write_profile(file, "shorts", OWN)
    with pytest.raises(UnknownProfile, match="Did you mean shorts"):
        find_profile("p.yaml#short", tmp_path)
    with pytest.raises(UnknownProfile, match="It has shorts"):
        find_profile("p.yaml#x", tmp_path)
    with pytest.raises(UnknownProfile, match="no KPI profile is called"):
        find_profile("mine", tmp_path)
    text = file.read_text()
    for change, error in (
        (text.replace("0.5", "0.9"), InvalidPreference),
        (text.replace("like: 1.0", "likes: 1.0"), InvalidConfig),
        ("shorts: 3", InvalidConfig),
        (text.replace("1.0", "0").replace("3.0", "0").replace("4.0", "0").replace("5.0", "0").replace("0.2\n", "0\n"),
         InvalidProfile),
    ):  # fmt: skip
        file.write_text(change)
        with pytest.raises(error, match="profile shorts"):
            read_profiles(file)


def test_a_profile_that_is_typed_stands_in_place_of_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths in the file are relative to it, typed ones to where one is; the campaign's own preference gives way too."""
    monkeypatch.chdir(tmp_path)
    write_profile(Path("p.yaml"), "shorts", OWN)
    own = "profile: conversion-first\ncampaign: {budget: 40, preference: [1, 0, 0]}"
    Path("folder").mkdir()
    Path("folder/mine.yaml").write_text(own)
    file, profile = read_file(Path("folder/mine.yaml"), "p.yaml#shorts")
    assert isinstance(file, CampaignFile)
    assert (file.campaign.preference, file.profile, profile) == (OWN.preference, "p.yaml#shorts", OWN)
