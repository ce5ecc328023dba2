"""Requests with restrictions drawn at random: whatever is bid breaks none of them, by the specification's own words."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.serving.openrtb.desks import CREATIVES, Desks, opened
from tests.serving.openrtb.restrictions import broken

EXAMPLES = int(os.environ.get("BIDPILOT_FUZZ", "1000")) // 4
NAMES = ("video", "video-loud", "video-measured", "video-app", "video-plain", "banner", "banner-expanding", "audio")
MANY = settings(
    max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck), derandomize=True
)
bids_seen = 0


@pytest.fixture(scope="module")
def desks(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desks]:
    yield from opened(bundle_folder, tmp_path_factory.mktemp("desks"))


def some(*values: Any) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(values), max_size=2)


def maybe(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Each field there one time in three, null at times."""
    drawn = {k: st.one_of(st.just(...), st.just(...), st.none(), v, v) for k, v in fields.items()}
    return st.fixed_dictionaries(drawn).map(lambda d: {k: v for k, v in d.items() if v is not ...})


BATTR, API = some(1, 2, 3, 4), some(5, 7)
PLAYER = maybe(
    mimes=some("video/mp4", "audio/mpeg", "video/webm"), minduration=st.sampled_from([5, 15, 20]),
    maxduration=st.sampled_from([10, 15, 60]), rqddurs=some(15, 30), protocols=some(2, 3, 7), battr=BATTR, api=API,
    w=st.sampled_from([720, 640]), h=st.sampled_from([1280, 360]), mincpmpersec=st.sampled_from([0.01, 1e6]),
    durfloors=st.just([{"mindur": 10, "maxdur": 20, "bidfloor": 2.0}]),
)  # fmt: skip
BANNER = maybe(
    w=st.sampled_from([320, 300]), h=st.sampled_from([50, 250]), battr=BATTR, btype=some(1, 3), api=API,
    format=st.lists(st.sampled_from([{"w": 320, "h": 50}, {"w": 300, "h": 250}]), max_size=2),
)  # fmt: skip
DEAL = st.fixed_dictionaries(
    {
        "bidfloorcur": st.just("USD"),
        "id": st.sampled_from(["d", "e"]),
        "bidfloor": st.sampled_from([0.0, 1.5, 1e9]),
        "at": st.sampled_from([1, 2, 3]),
    },
    optional={"wseat": some("bidpilot", "x"), "wadomain": some("shop.example", "y.example")},
)
IMP = st.tuples(
    maybe(video=PLAYER, banner=BANNER, audio=PLAYER, secure=st.sampled_from([0, 1]),
          pmp=st.fixed_dictionaries({"private_auction": st.sampled_from([0, 1]), "deals": st.lists(DEAL, max_size=2)})),
    st.sampled_from([0.0, 0.5, 2.0]),
).map(lambda p: p[0] | {"bidfloor": p[1]})  # fmt: skip
REQUEST = maybe(
    acat=some("IAB18", "IAB1"),
    badv=some("shop.example", "x.example"), bcat=some("IAB18", "IAB18-1", "IAB1"), cattax=st.sampled_from([1, 6]),
    bapp=some("com.shop.app", "x"), wlang=some("en", "de"), regs=st.sampled_from([{"coppa": 0}, {"coppa": 1}]),
    wseat=some("bidpilot", "x"), at=st.sampled_from([1, 2]),
)  # fmt: skip
HINTS = {"bidpilot": {"exposure": 0.6, "interaction": 0.25, "conversion": 0.006, "segment": 0}}


@MANY
@given(request=REQUEST, imps=st.lists(IMP, min_size=1, max_size=2), names=st.lists(st.sampled_from(NAMES), unique=True))
def test_no_bid_breaks_a_restriction(
    desks: Desks, request: dict[str, Any], imps: list[dict[str, Any]], names: list[str]
) -> None:
    global bids_seen
    entries = {str(k): imp | {"id": str(k), "ext": HINTS} for k, imp in enumerate(imps)}
    answer = desks.ask(desks.app({}), {"creatives": names}, request | {"id": "r", "imp": list(entries.values())})
    assert answer.status in (200, 204)
    for bid in answer.bids:
        bids_seen += 1
        creative = next(CREATIVES[name] for name in names if CREATIVES[name]["crid"] == bid["crid"])
        told = request | {
            "imp": [{"bidfloorcur": "USD"} | imp for imp in entries.values()],
            "at": request.get("at") or 2,
        }
        assert broken(bid, told, creative, "USD") == []
        check_floors(bid, entries[bid["impid"]])


def check_floors(bid: dict[str, Any], imp: dict[str, Any]) -> None:
    """What is asked for by second and by duration, in the open auction."""
    media = imp.get({1: "banner", 2: "video", 3: "audio"}[bid["mtype"]]) or {}
    if bid["mtype"] == 1 or "dealid" in bid:
        return
    assert bid["price"] >= (media.get("mincpmpersec") or 0) * bid["dur"] - 1e-9
    assert not media.get("protocols") or bid["protocol"] in media["protocols"]
    if media.get("durfloors") and 10 <= bid["dur"] <= 20:
        assert bid["price"] >= 2.0


def test_many_of_those_were_bid_on() -> None:
    assert bids_seen > EXAMPLES / 10
