"""A creative that could not be shown is refused when it is loaded, with its id, the cause and the remedy."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from bidpilot.bidding.errors import InvalidCreative, InvalidServing
from bidpilot.serving.creatives.creative import AnyCreative
from bidpilot.serving.creatives.macros import CAMPAIGN, CRID, EVENT, Template
from bidpilot.serving.creatives.sample import SAMPLE
from bidpilot.serving.creatives.vast import protocol_of
from bidpilot.serving.served import ServedCampaign
from tests.serving.openrtb.desks import CREATIVES

READ = TypeAdapter(AnyCreative).validate_python
VIDEO: dict[str, Any] = CREATIVES["video"]
ADM: str = VIDEO["adm"]


def refused(changes: dict[str, Any], kind: str = "video") -> str:
    with pytest.raises(InvalidCreative) as error:
        READ({k: v for k, v in (CREATIVES[kind] | changes).items() if v is not ...})
    return str(error.value)


@pytest.mark.parametrize("name", sorted(CREATIVES))
def test_what_is_loaded_is_written_and_loaded_as_the_same(name: str) -> None:
    creative = READ(CREATIVES[name])
    assert TypeAdapter(AnyCreative).validate_json(json.dumps(creative.model_dump(mode="json"))) == creative


@pytest.mark.parametrize(
    ("adm", "why"),
    [
        (ADM[:-2], "not well-formed"),
        (ADM.replace("Spring", "A & B"), "not well-formed"),
        ('<!DOCTYPE x [<!ENTITY a "aaaa">]>' + ADM.replace("Spring", "&a;"), "declares a document type or an entity"),
        ("<html/>", "begins with <html>"),
        (ADM.replace('version="3.0"', 'version="9"'), "version '9' is not known"),
        ('<VAST version="3.0"/>', "no Ad with an InLine or a Wrapper"),
        (ADM.replace("https://media", "http://media"), "begins with http://"),
        (ADM.replace("Spring", "${BIDPILOT_EVNT}"), "'${BIDPILOT_EVNT}', which nobody fills in"),
        (ADM.replace("Spring", "${AUCTION_"), "which nobody fills in"),
        (ADM.replace("00:00:15", "00:00:30"), "plays for '00:00:30', and it says 15 s"),
        (ADM.replace("00:00:15", "soon"), "plays for 'soon'"),
        (ADM.replace('width="720"', 'width="640"'), "no video/mp4 of 720x1280"),
        (ADM.replace("video/mp4", "video/webm"), "no MediaFile of type 'video/mp4'"),
        ("", "0 characters"),
        (ADM + " " * 70_000, "characters"),
    ],
)
def test_markup_that_could_not_be_played_is_refused(adm: str, why: str) -> None:
    text = refused({"adm": adm})
    assert why in text
    assert "'v'" in text


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"vast_url": "https://ads.shop.example/v.xml"}, "adm and vast_url, or neither"),
        ({"adm": None}, "adm and vast_url, or neither"),
        ({"adm": None, "vast_url": "http://ads.shop.example/v.xml"}, "no https address"),
        ({"adomain": ["https://shop.example/x"]}, "is no domain"),
        ({"adomain": ["shop"]}, "is no domain"),
        ({"cattax": 99}, "no taxonomy"),
        ({"approved_at": ...}, "but not when"),
        ({"expires_at": "2023-01-01T00:00:00Z"}, "before it is approved"),
    ],
)
def test_what_does_not_fit_together_is_refused(changes: dict[str, Any], why: str) -> None:
    assert why in refused(changes)


@pytest.mark.parametrize(
    "changes",
    [{"adomain": []}, {"w": 0}, {"mimes": []}, {"duration": 0}, {"approved_at": "2024-01-01T00:00:00"}, {"x": 1}],
)
def test_what_is_out_of_range_or_unknown_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        READ(VIDEO | changes)


def test_one_id_is_one_creative() -> None:
    campaign = {"budget": 1.0}
    with pytest.raises(InvalidServing, match="'v' is there more than once"):
        ServedCampaign.model_validate({"name": "a", "campaign": campaign, "creatives": [VIDEO, VIDEO]})


@pytest.mark.parametrize(
    ("version", "protocol"), [("2.0", 2), ("3.0", 3), ("4.0", 7), ("4.1", 11), ("4.2", 13), ("4.3", 15)]
)
def test_a_versions_protocol_is_adcoms(version: str, protocol: int) -> None:
    assert protocol_of(ADM.replace('version="3.0"', f'version="{version}"')) == protocol


def test_macros_of_ours_are_filled_in_and_the_exchanges_left() -> None:
    template = Template(f"{EVENT}&e=view {CAMPAIGN} {CRID} ${{AUCTION_PRICE}} {EVENT}", "launch", "v")
    assert template.filled("https://b/e?t=1") == "https://b/e?t=1&e=view launch v ${AUCTION_PRICE} https://b/e?t=1"


def test_the_sample_is_a_portrait_video_that_may_be_shown_at_any_time() -> None:
    assert (SAMPLE.w, SAMPLE.h, SAMPLE.mimes) == (720, 1280, ("video/mp4",))
    assert (SAMPLE.begins, SAMPLE.ends) == (0.0, math.inf)
