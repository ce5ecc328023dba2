"""What a predictor sees of a request: all that describes the exposure, nothing that names anybody, no user unasked."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidpilot.bidding.errors import InvalidRequest
from bidpilot.serving.messages import decode_request
from bidpilot.serving.prediction.parts import Device, Geo, Part, User
from bidpilot.serving.prediction.view import RequestView
from bidpilot.serving.reading.request import read_request

AT = 20_000 * 86_400 + 5 * 3600 + 1  # a Friday
NAMES = {"ifa", "ip", "ipv6", "ua", "sua", "didsha1", "dpidmd5", "buyeruid", "eids", "lat", "lon", "customdata"}
WHOLE: dict[str, Any] = {
    "id": "r",
    "imp": [
        {"id": "1", "tagid": "t", "bidfloor": 0.5, "video": {"mimes": ["video/mp4"], "w": 720, "maxduration": 30}},
        {"id": "2", "banner": {"w": 320, "h": 50}, "native": {"request": "{}"}},
        {"id": "3"},
    ],
    "app": {
        "bundle": "com.example", "publisher": {"id": "p", "name": "Pub"},
        "content": {"genre": "news", "len": 90, "language": "de", "cat": ["IAB1"], "producer": {"name": "n"}},
    },
    "device": {
        "ua": "Mozilla", "ip": "203.0.113.9", "ifa": "MARK", "os": "iOS", "devicetype": 4, "language": "de",
        "geo": {"country": "DEU", "city": "Berlin", "zip": "10115", "lat": 52.5, "lon": 13.4},
    },
    "user": {
        "id": "MARK", "buyeruid": "MARK", "yob": 1990,
        "data": [{"name": "d", "segment": [{"id": "s", "value": "v"}]}],
    },
}  # fmt: skip


def view(ids: tuple[str, ...] = ("1", "2", "3"), **changes: Any) -> RequestView:
    raw = json.dumps(WHOLE | changes).encode()
    return RequestView(raw, read_request(raw, Counter()), ids, AT)


def test_all_that_describes_the_exposure_is_there() -> None:
    seen = view()
    assert [imp.format for imp in seen.impressions] == ["video", "several", "any"]
    assert seen.impressions[0].video is not None
    assert (seen.impressions[0].tagid, seen.impressions[0].video.maxduration) == ("t", 30)
    assert seen.site is None
    assert seen.place is seen.app
    content = seen.place.content
    assert content is not None
    assert (content.genre, content.len, content.language) == ("news", 90, "de")
    assert seen.place.publisher is not None
    assert seen.place.publisher.id == "p"
    assert seen.device is not None
    assert seen.device.geo == Geo(country="DEU", city="Berlin", zip="10115")
    assert seen.user is not None
    assert seen.user.data is not None
    assert seen.user.data[0].segment is not None
    assert seen.user.data[0].segment[0].value == "v"
    assert (seen.hour, seen.weekday, seen.at) == (5, 4, AT)


def test_nothing_that_names_anybody_has_a_field() -> None:
    parts = [part for part in Part.__subclasses__() if part.__module__.endswith(".parts")]
    fields = {field.name for part in parts for field in msgspec.structs.fields(part)}
    assert fields.isdisjoint(NAMES)
    assert "id" not in {field.name for part in (User, Device) for field in msgspec.structs.fields(part)}
    assert "MARK" not in repr(view().user)
    assert "MARK" not in repr(view().device)


def test_neither_the_view_nor_its_parts_can_be_changed() -> None:
    with pytest.raises(AttributeError):
        view().hour = 3  # type: ignore[misc]
    with pytest.raises(AttributeError):
        view().place.name = "x"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("changes", "allowed"),
    [
        ({}, True),
        ({"regs": {"gdpr": 0}}, True),
        ({"regs": {"gdpr": 1}}, False),
        ({"regs": {"ext": {"gdpr": 1}}}, False),
        ({"regs": {"gdpr": "1"}}, False),
        ({"regs": {"gdpr": True}}, False),
        ({"regs": {"gdpr": 1}, "user": WHOLE["user"] | {"consent": "CPx"}}, True),
        ({"regs": {"ext": {"gdpr": 1}}, "user": WHOLE["user"] | {"ext": {"consent": "CPx"}}}, True),
        ({"regs": {"gdpr": 1}, "user": WHOLE["user"] | {"consent": ""}}, False),
        ({"regs": {"coppa": 1}}, False),
        ({"regs": {"us_privacy": "1YYN"}}, False),
        ({"regs": {"us_privacy": "1YNN"}}, True),
        ({"regs": {"ext": {"us_privacy": "1-Y-"}}}, False),
        ({"device": WHOLE["device"] | {"lmt": 1}}, False),
        ({"device": WHOLE["device"] | {"dnt": 1}}, False),
        ({"device": ["what is this"]}, False),
        ({"regs": {"us_privacy": {}}}, False),
        ({"regs": {"gdpr": 1}, "user": WHOLE["user"] | {"consent": " "}}, False),
        ({"app": {"content": {"contentrating": "TV-Y7"}}}, False),
        ({"regs": {"gpp_sid": [2]}}, False),
    ],
)
def test_without_consent_there_is_no_user_and_no_place_closer_than_a_country(
    changes: dict[str, Any], allowed: bool
) -> None:
    seen = view(**changes)
    assert (seen.user is not None) == allowed
    if "what is this" in changes.get("device", ()):
        assert seen.device is None
        return
    assert seen.device is not None
    assert seen.device.geo == (Geo(country="DEU", city="Berlin", zip="10115") if allowed else Geo(country="DEU"))
    assert seen.device.os == "iOS"


@pytest.mark.parametrize("told", [b'"yob": 1990', b'"os": "iOS"', b'"tagid": "t"'])
def test_a_text_that_is_no_unicode_costs_its_part_alone(told: bytes) -> None:
    """And raises nothing, which would count as a fault of the predictor: the bidder has no use for that text."""
    raw = (
        json.dumps(WHOLE)
        .encode()
        .replace(told, told + b', "keywords": "\xff", "carrier": "\xff", "displaymanager": "\xff"')
    )
    raw = raw.replace(b'"tagid": "t"', b'"tagid": "\xff"') if b"tagid" in told else raw
    seen = RequestView(raw, decode_request(raw), ("1", "2", "3"), AT)
    assert (seen.user is None, seen.device is None, seen.impressions == ()) == (
        b"tagid" not in told,
        b"iOS" in told,
        b"tagid" in told,
    )


@pytest.mark.parametrize(
    ("part", "value", "found"),
    [
        ("device", None, None),
        ("device", {"w": "720", "h": 1280.0, "os": 7}, Device(w=720, h=1280, os="7")),
        ("device", {"w": "wide"}, None),
        ("device", "phone", None),
        ("user", {"data": {"name": "one"}}, User(data=[])),
    ],
)
def test_parts_are_read_as_loosely_as_the_request_is(part: str, value: object, found: object) -> None:
    seen = getattr(view(("1",), **{part: value}), part)
    if isinstance(found, User):
        assert seen is not None
        assert [data.name for data in seen.data] == ["one"]
    else:
        assert seen == found


def test_of_impressions_those_that_can_be_read_and_are_asked_for_come_in_the_order_asked() -> None:
    imps = [{"id": 3}, {"id": "1", "bidfloor": "0.5"}, {"id": "2", "video": "none"}, {"no": "id"}]
    seen = view(("1", "2", "3"), imp=imps).impressions
    assert [(imp.id, imp.bidfloor) for imp in seen] == [("1", 0.5), ("3", 0.0)]


keys = st.sampled_from(["geo", "data", "id", "ext", "gdpr", "consent"])
values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.sampled_from(["site", "app", "device", "user", "regs"]), values, max_size=5))
def test_whatever_comes_a_part_is_there_or_not_and_consent_is_never_made_up(changes: dict[str, Any]) -> None:
    try:
        seen = view(**changes)
    except InvalidRequest:  # nobody is asked
        return
    for part in ("site", "app", "device", "user"):
        getattr(seen, part)
    if not seen.consented:
        assert seen.user is None
    regs = changes.get("regs")
    if isinstance(regs, dict) and regs.get("gdpr") == 1 and "user" not in changes:
        assert not seen.consented
