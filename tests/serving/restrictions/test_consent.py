"""One reader says of whom anything may be read: rules of campaigns and predictors never differ in it."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from bidpilot.serving.messages import BidRequest
from bidpilot.serving.prediction.view import RequestView
from bidpilot.serving.reading.request import read_request
from bidpilot.serving.restrictions.person import Person

NOW = 1_720_000_000.0  # 2024
USER = {"id": "u", "yob": 1980}
TCF = "CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA"
NATIONAL, NATIONAL_OUT = "DBABLA~BVQqAAAAAgA.QA", "DBABLA~BVQZAAAAAgA.QA"  # without and with an opt-out


def asked(fields: dict[str, Any]) -> tuple[BidRequest, bytes]:
    raw = json.dumps({"id": "r", "imp": [{"id": "1"}], "user": USER} | fields).encode()
    return read_request(raw, Counter()), raw


def used(fields: dict[str, Any]) -> tuple[bool, bool]:
    """Whether the person is known by an id, and whether a predictor sees the user."""
    request, raw = asked(fields)
    return Person(request).known is not None, RequestView(raw, request, ("1",), NOW).user is not None


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"regs": {"gdpr": 0}},
        {"regs": {"gdpr": 1}, "user": USER | {"consent": TCF}},
        {"regs": {"us_privacy": "1YNN"}},
        {"regs": {"us_privacy": " "}},
        {"regs": {"gpp": NATIONAL, "gpp_sid": [7]}},
        {"regs": {"ext": {"gpp": NATIONAL, "gpp_sid": "7"}}},
        {"regs": {"gpp": f"DBABMA~{TCF}", "gpp_sid": [2]}},
        {"regs": {"gpp": "nonsense"}},  # no law is named
        {"regs": {"gpp": NATIONAL_OUT, "gpp_sid": [-1]}},
        {"regs": {"gpp": NATIONAL_OUT, "gpp_sid": []}},
        {"regs": {"gpp_sid": [6], "us_privacy": "1YNN"}},
        {"regs": {"gpp": "DBABjw~x~1YNN", "gpp_sid": [6]}},
        {"device": {"lmt": 0, "dnt": "0"}},
        {"device": None},
    ],
)
def test_of_whom_nothing_forbids_it_data_is_used(fields: dict[str, Any]) -> None:
    assert used(fields) == (True, True)


@pytest.mark.parametrize(
    "fields",
    [
        # who was known by an id before, though predictors did not see the user
        {"regs": {"us_privacy": "1YYN"}},
        {"regs": {"ext": {"us_privacy": "1YYN"}}},
        {"regs": {"gdpr": 1}, "user": USER | {"consent": TCF, "ext": 7}},
        # whom predictors saw before, though rules of campaigns read nothing
        {"regs": {"gdpr": 1}, "user": USER | {"consent": " "}},
        {"app": {"content": {"contentrating": "TV-Y"}}},
        {"site": {"content": "unreadable"}},
        # whom both used
        {"regs": {"us_privacy": ["1YNN", {}]}},
        {"regs": {"us_privacy": "1Y"}},
        {"regs": {"gpp_sid": [2]}},
        {"regs": {"gdpr": 0, "gpp_sid": [2], "gpp": NATIONAL}},
        {"regs": {"gpp_sid": [1], "gpp": f"DBABMA~{TCF}"}},
        {"regs": {"gpp_sid": [5]}, "user": USER | {"consent": TCF}},
        {"regs": {"gpp_sid": [7], "gpp": NATIONAL_OUT}},
        {"regs": {"gpp_sid": [8], "gpp": NATIONAL}},
        {"regs": {"gpp_sid": [7]}},
        {"regs": {"gpp_sid": [6]}},
        {"regs": {"gpp_sid": [6], "gpp": "DBABjw~x~1YYN", "us_privacy": "1YNN"}},
        {"regs": {"gpp_sid": {"a": 1}}},
        {"regs": {"gpp_sid": [7], "gpp": {}}},
        {"regs": {"gpp_sid": [7, 2], "gpp": NATIONAL}},
    ],
)
def test_of_whom_anything_forbids_it_or_may_nobody_is_known_and_no_predictor_sees_a_user(
    fields: dict[str, Any],
) -> None:
    assert used(fields) == (False, False)


@pytest.mark.parametrize("device", [{"lmt": 1}, {"dnt": True}, {"lmt": {}}, "nonsense"])
def test_who_limits_tracking_is_known_by_the_exchange_alone_and_no_predictor_sees_a_user(device: Any) -> None:
    """Frequency caps are among what the guidelines behind these signals allow."""
    assert used({"device": device}) == (True, False)
    limited = {"ifa": "AEBE52E7-03EE"} | device if isinstance(device, dict) else device
    assert Person(asked({"user": {}, "device": limited})[0]).known is None


def test_a_limit_is_read_however_its_name_is_written() -> None:
    raw = json.dumps({"id": "r", "imp": [{"id": "1"}], "device": {"ifa": "AEBE52E7-03EE", "lmt": 1}}).encode()
    assert Person(read_request(raw.replace(b"lmt", b"lm\\u0074"), Counter())).known is None


def test_gpp_tells_no_consent_that_gdpr_alone_asks_for() -> None:
    """It would have to name the law too."""
    assert used({"regs": {"gdpr": 1, "gpp": f"DBABMA~{TCF}"}}) == (False, False)


@pytest.mark.parametrize(
    "fields",
    [
        {"regs": {"us_privacy": "1YYN"}},
        {"regs": {"gpp_sid": [7]}},
        {"regs": {"gpp_sid": {"a": 1}}},
        {"device": {"lmt": 1, "geo": {"country": "DEU"}}},
    ],
)
def test_who_opts_out_is_kept_out_as_a_minor_still(fields: dict[str, Any]) -> None:
    """An opt-out is of sale and tracking; that somebody is of age is not sold."""
    person = Person(asked(fields | {"user": {"yob": 2015}})[0])
    assert person.minor(NOW)
    assert person.age(NOW) == 8
    assert not Person(asked(fields)[0]).minor(NOW)


def test_an_opt_out_that_cannot_be_read_costs_itself_and_is_counted() -> None:
    forms = Counter[str]()
    raw = json.dumps({"id": "r", "imp": [{"id": "1"}], "regs": {"gpp_sid": "x", "ext": {"us_privacy": {}}}}).encode()
    assert [imp.id for imp in read_request(raw, forms).imp] == ["1"]
    assert forms == {"malformed_opt_out": 2, "list_without_brackets": 1}
