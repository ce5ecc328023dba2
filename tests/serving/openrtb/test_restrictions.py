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
    {"id": st.sampled_from(["d", "e"]), "bidfloor": st.sampled_from([0.0, 1.5, 1e9]), "at": st.sampled_from([1, 2, 3])},
    optional={"wseat": some("bidpilot", "x"), "wadomain": some("shop.example", "y.example")},
)
IMP = st.tuples(
    maybe(video=PLAYER, banner=BANNER, audio=PLAYER, secure=st.sampled_from([0, 1]),
          pmp=st.fixed_dictionaries({"private_auction": st.sampled_from([0, 1]), "deals": st.lists(DEAL, max_size=2)})),
    st.sampled_from([0.0, 0.5, 2.0]),
).map(lambda p: p[0] | {"bidfloor": p[1]})  # fmt: skip
REQUEST = maybe(
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
        check(bid, entries[bid["impid"]], request)


def check(bid: dict[str, Any], imp: dict[str, Any], request: dict[str, Any]) -> None:
    def of(fields: dict[str, Any], name: str) -> list[Any]:
        return fields.get(name) or []

    assert bid["crid"] in {CREATIVES[name]["crid"] for name in NAMES}
    assert not set(of(request, "badv")) & set(bid["adomain"])
    if of(request, "bcat") and bid.get("cat"):
        assert (request.get("cattax") or 1) == bid["cattax"]
        assert not set(of(request, "bcat")) & {part for cat in bid["cat"] for part in (cat, cat.partition("-")[0])}
    assert bid.get("bundle") not in of(request, "bapp")
    assert not of(request, "wlang") or bid.get("language") in request["wlang"]
    assert not of(request, "wseat") or "bidpilot" in request["wseat"]
    assert not (request.get("regs") or {}).get("coppa")
    if imp.get("secure"):
        assert "http://" not in bid["adm"]
    media = {1: "banner", 2: "video", 3: "audio"}[bid["mtype"]]
    named = [name for name in ("banner", "video", "audio") if imp.get(name) is not None]
    if named:
        assert media in named
        check_media(bid, imp[media])
    check_deal(bid, imp)


def check_media(bid: dict[str, Any], media: dict[str, Any]) -> None:
    assert not set(media.get("battr") or ()) & set(bid.get("attr") or ())
    assert set(bid.get("apis") or ()) <= set(media.get("api") or ())
    if bid["mtype"] == 1:
        sizes = [(f["w"], f["h"]) for f in media.get("format") or ()]
        sizes += [(media["w"], media["h"])] if media.get("w") and media.get("h") else []
        assert not sizes or (bid["w"], bid["h"]) in sizes
        assert 3 not in (media.get("btype") or ())
        return
    mime = {2: "video/mp4", 3: "audio/mpeg"}[bid["mtype"]]
    assert not media.get("mimes") or mime in media["mimes"]
    assert not media.get("protocols") or bid["protocol"] in media["protocols"]
    if media.get("rqddurs"):
        assert bid["dur"] in media["rqddurs"]
    else:
        assert (media.get("minduration") or 0) <= bid["dur"] <= (media.get("maxduration") or 1e9)
    if bid["mtype"] == 2 and media.get("w") and media.get("h"):
        assert (media["w"], media["h"]) == (720, 1280)
    if not bid.get("dealid"):
        assert bid["price"] >= (media.get("mincpmpersec") or 0) * bid["dur"] - 1e-9
        if media.get("durfloors") and 10 <= bid["dur"] <= 20:
            assert bid["price"] >= 2.0


def check_deal(bid: dict[str, Any], imp: dict[str, Any]) -> None:
    pmp = imp.get("pmp") or {}
    if "dealid" not in bid:
        assert not pmp.get("private_auction")
        assert bid["price"] >= imp["bidfloor"] - 1e-9
        return
    deals = [deal for deal in pmp["deals"] if deal["id"] == bid["dealid"]]
    assert any(
        (not deal.get("wseat") or "bidpilot" in deal["wseat"])
        and (not deal.get("wadomain") or "shop.example" in deal["wadomain"])
        and (bid["price"] == pytest.approx(deal["bidfloor"]) if deal["at"] == 3 else bid["price"] >= deal["bidfloor"])
        for deal in deals
    )


def test_many_of_those_were_bid_on() -> None:
    assert bids_seen > EXAMPLES / 10
