"""Requests of every shape: no 5xx, no crash, no bid that is negative, NaN or above the cap.

A thousand of them, or as many as BIDPILOT_FUZZ says: the continuous integration sends ten thousand.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import DAY, ManualClock
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.exchange_app import ExchangeApp
from bidpilot.serving.messages import BidRequest
from bidpilot.serving.notices import Kind
from bidpilot.serving.reading.request import read_request
from bidpilot.serving.server import applications
from tests.serving.doors import Given

EACH = int(os.environ.get("BIDPILOT_FUZZ", "1000")) // 4  # there are four tests
MANY = settings(
    max_examples=EACH, deadline=None, database=None, suppress_health_check=list(HealthCheck), derandomize=True
)


@pytest.fixture(scope="module")
def app(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeApp]:
    config = ServeConfig(bundle=bundle_folder, state=tmp_path_factory.mktemp("state"), explain=True)
    with open_bidder(config, ManualClock(20_000 * DAY)) as bidder:
        yield applications(bidder, config, "http://127.0.0.1")[0]


def call(app: ExchangeApp, method: str, path: str, query: str = "", body: bytes = b"") -> tuple[int, bytes]:
    """One request straight into the application."""

    async def read(most: int, seconds: float) -> bytes:
        return body

    response = asyncio.run(app(Given(method, path, query, None, read)))
    return response.status, response.body


def check(app: ExchangeApp, body: bytes) -> int:
    """Send a bid request, hold its answer against what must be, and lose its bids so that money is left."""
    status, answer = call(app, "POST", "/openrtb2/bid", body=body)
    assert status in (200, 204, 400), (status, answer)
    if status != 200:
        return 0
    response = json.loads(answer)
    cap = 1000 * app.bidder.days["default"].cap
    imps = {imp.id: imp for imp in read_request(body, Counter()).imp}
    bids = [bid for seat in response.get("seatbid", []) for bid in seat["bid"]]
    for bid in bids:
        assert math.isfinite(bid["price"])
        imp = imps[bid["impid"]]
        deals = [] if imp.pmp is None else imp.pmp.deals or []
        named = [deal.bidfloor for deal in deals if deal.id == bid["dealid"]] if bid.get("dealid") else [imp.bidfloor]
        most = cap * (1.0 if imp.qty is None else imp.qty.multiplier)
        assert max(min(named) - 1e-9, 0.0) < bid["price"] <= most + 1e-9
        assert call(app, "GET", "/notice/loss", bid["lurl"].partition("?")[2])[0] == 204
    return len(bids)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


OBJECTS = st.fixed_dictionaries(
    {},
    optional={
        "id": JSON, "yob": st.integers(1900, 2030) | JSON, "consent": st.text(max_size=3) | JSON, "ext": JSON,
        "geo": st.fixed_dictionaries({"country": JSON | st.just("DEU"), "region": JSON}), "ip": JSON, "ua": JSON,
        "schain": st.fixed_dictionaries({"complete": JSON, "nodes": JSON}) | JSON,
    },
)  # fmt: skip
"""Users, devices and sources."""


def from_schema(schema: dict[str, Any], defs: dict[str, Any], wrong: bool) -> st.SearchStrategy[Any]:
    """Values of a JSON schema as msgspec writes it; with `wrong`, anything here and there."""
    if "$ref" in schema:
        return from_schema(defs[schema["$ref"].rpartition("/")[2]], defs, wrong)
    if "anyOf" in schema:
        return st.one_of([from_schema(s, defs, wrong) for s in schema["anyOf"]])
    kind = schema.get("type")
    if kind is None:  # left as bytes until a rule asks for it
        return OBJECTS | JSON
    made: st.SearchStrategy[Any]
    if kind == "object":
        fields = {k: from_schema(v, defs, wrong) for k, v in schema["properties"].items()}
        needed = {k: v for k, v in fields.items() if k in schema.get("required", ())}
        made = st.fixed_dictionaries(needed, optional={k: v for k, v in fields.items() if k not in needed})
        made = st.tuples(made, st.dictionaries(st.text(max_size=5), JSON, max_size=1)).map(lambda p: p[1] | p[0])
    elif kind == "array":
        made = st.lists(from_schema(schema["items"], defs, wrong), max_size=3)
    else:
        simple: dict[Any, st.SearchStrategy[Any]] = {
            "string": st.text(max_size=6) | st.sampled_from(["USD", "1", "feed/head"]),
            "integer": st.integers(-3, 9) | st.integers(),
            "number": st.floats(0, 1) | st.floats(allow_nan=False, allow_infinity=False) | st.integers(),
            "boolean": st.booleans(),
            "null": st.none(),
        }
        made = simple[kind]
    return st.one_of(*[made] * 12, JSON) if wrong else made


(_TOP,), _DEFS = msgspec.json.schema_components([BidRequest])


@MANY
@given(request=from_schema(_TOP, _DEFS, wrong=False))
def test_requests_of_the_schema(app: ExchangeApp, request: Any) -> None:
    check(app, json.dumps(request).encode(errors="surrogatepass"))


@MANY
@given(request=from_schema(_TOP, _DEFS, wrong=True))
def test_requests_that_miss_the_schema_here_and_there(app: ExchangeApp, request: Any) -> None:
    check(app, json.dumps(request).encode(errors="surrogatepass"))


NUMBER = st.floats(0, 1) | st.sampled_from([0.0, -0.0, 5e-324, 1e-12, 1e6, 1e300, -1.0])
HINTS = st.fixed_dictionaries(
    {"exposure": NUMBER, "interaction": NUMBER, "conversion": NUMBER, "segment": st.integers(-1, 9)},
    optional={"source": st.integers(-(2**40), 2**40), "explain": st.booleans()},
)
IMPS = st.lists(st.tuples(HINTS, NUMBER), min_size=1, max_size=4)
bids_seen = 0


@MANY
@given(imps=IMPS, at=st.sampled_from([1, 2, 1, 2, 1, 2, 0, 3, 4]))
def test_requests_that_mean_it(app: ExchangeApp, imps: list[tuple[dict[str, Any], float]], at: int) -> None:
    global bids_seen
    entries = [{"id": str(k), "bidfloor": f, "ext": {"bidpilot": h}} for k, (h, f) in enumerate(imps)]
    bids_seen += check(app, json.dumps({"id": "r", "at": at, "imp": entries}).encode())


def test_many_of_those_were_bid_on() -> None:
    assert bids_seen > EACH / 4


@MANY
@given(body=st.binary(max_size=200), query=st.text(max_size=60), kind=st.sampled_from(Kind))
def test_bytes_that_mean_nothing(app: ExchangeApp, body: bytes, query: str, kind: Kind) -> None:
    check(app, body)
    assert call(app, "GET", f"/notice/{kind.value}", "t=" + query)[0] in (400, 403)
