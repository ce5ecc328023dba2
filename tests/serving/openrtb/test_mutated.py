"""Requests of the cases with a part of them replaced, dropped or doubled: an answer of the protocol, never a fault.

And no bid that breaks what its request says.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.serving.openrtb.desks import CREATIVES, HERE, Answer, Desks, opened
from tests.serving.openrtb.raw import told
from tests.serving.openrtb.restrictions import broken

EXAMPLES = int(os.environ.get("BIDPILOT_FUZZ", "1000")) // 4
CASES = [json.loads(path.read_text()) for path in sorted((HERE / "cases").glob("*.json"))]
HINTS = {"bidpilot": {"exposure": 0.6, "interaction": 0.25, "conversion": 0.006, "segment": 0}}
bids_seen = 0
JUNK: list[Any] = [
    None,
    True,
    -1,
    0,
    1,
    2**70,
    1.5,
    1e300,
    "",
    "junk",
    "1",
    "é" * 40,
    [],
    [[]],
    {},
    {"id": 7},
    [None, {}],
]


@pytest.fixture(scope="module")
def desks(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desks]:
    yield from opened(bundle_folder, tmp_path_factory.mktemp("desks"))


def places(value: Any) -> list[tuple[Any, Any]]:
    """Each part of a value: what holds it, and under which key."""
    items = list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ())
    return [place for key, inner in items for place in [(value, key), *places(inner)]]


@settings(
    max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck), derandomize=True
)
@given(case=st.sampled_from(CASES), data=st.data())
def test_a_mutated_request_is_answered(desks: Desks, case: dict[str, Any], data: st.DataObject) -> None:
    request = copy.deepcopy(case["request"])
    for _ in range(data.draw(st.integers(1, 3))):
        found = places(request)
        if not found:
            break
        holder, key = data.draw(st.sampled_from(found))
        how = data.draw(st.sampled_from(["replace", "replace", "drop", "double"]))
        if how == "replace":
            holder[key] = copy.deepcopy(data.draw(st.sampled_from(JUNK)))
        elif how == "drop":
            del holder[key]
        elif isinstance(holder, list):
            holder.append(copy.deepcopy(holder[key]))
    app = desks.app(case.get("config", {}))
    failed = app.metrics.refused.get("technical_error", 0)
    answer = desks.ask(app, case["campaign"], request)  # which holds it against the schema of the response
    assert answer.status in (200, 204, 400)
    assert app.metrics.refused.get("technical_error", 0) == failed
    if answer.status == 400:
        assert answer.whole["error"]
    if answer.bids:
        held(answer, request, case["campaign"])


def held(answer: Answer, request: Any, campaign: dict[str, Any]) -> None:
    """Each bid keeps what its request says, read from its JSON without the server."""
    global bids_seen
    whole = told(request)
    for bid in answer.bids:
        creatives = [one for name in campaign.get("creatives", ()) if (one := CREATIVES[name])["crid"] == bid["crid"]]
        for creative in creatives:  # none: of the form of before, which says nothing of itself
            bids_seen += 1
            assert broken(bid, whole, creative, answer.whole["cur"], campaign.get("minors", False)) == []


def test_many_of_those_were_bid_on() -> None:
    assert bids_seen > EXAMPLES / 10


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({}, []),
        ({"badv": ["shop.example"]}, ["badv"]),
        ({"bcat": ["IAB18"]}, ["bcat"]),
        ({"acat": ["IAB1"]}, ["acat"]),
        ({"wlang": ["de"]}, ["wlang"]),
        ({"bseat": ["bidpilot"]}, ["wseat"]),
        ({"regs": {"coppa": 1}}, ["minors"]),
        ({"user": {"yob": 2015}}, ["minors"]),
        ({"user": {"yob": "2015-02-01"}}, ["minors"]),
        ({"user": {"yob": 1980}}, []),
        ({"site": {"publisher": "x", "content": {"contentrating": "TV-Y"}}}, ["minors"]),
        ({"app": {"content": 7}}, ["minors"]),
        ({"regs": {"coppa": "1"}}, ["minors"]),
        ({"badv": "https://shop.example"}, ["badv"]),
        ({"imp": [{"id": 1, "bidfloor": "9e9"}]}, ["bidfloor"]),
        ({"imp": [{"id": "1", "bidfloor": 9e9}]}, ["bidfloor"]),
        ({"imp": [{"id": "1", "banner": {}}]}, ["format"]),
        ({"imp": [{"id": "1", "video": {"w": 1280, "h": 720, "maxduration": 5}}]}, ["duration", "shape"]),
        ({"imp": [{"id": "1", "pmp": {"private_auction": 1}}]}, ["private_auction"]),
    ],
)
def test_a_bid_that_breaks_its_request_would_be_seen(desks: Desks, fields: dict[str, Any], why: list[str]) -> None:
    answer = desks.ask(desks.app({}), {"creatives": ["video"]}, {"id": "r", "imp": [{"id": "1", "ext": HINTS}]})
    request = {"id": "r", "imp": [{"id": "1"}]} | fields
    with nullcontext() if not why else pytest.raises(AssertionError, match=f"(?s){'.*'.join(why)}"):
        held(answer, request, {"creatives": ["video"]})
