"""Requests of lists, and of sellers that nobody knows, are refused before they are priced, each with its reason."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidpilot.bidding.errors import InvalidServing
from bidpilot.bidding.traffic.refusal import Refusal
from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import ManualClock
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.explaining import explained
from bidpilot.serving.givt.agents import MOST_AGENT, Agents
from bidpilot.serving.givt.chain import Demand
from bidpilot.serving.givt.networks import Networks
from bidpilot.serving.givt.screen import Screen
from bidpilot.serving.messages import BidRequest, decode_request
from bidpilot.serving.openrtb import NOBODY
from bidpilot.serving.reading.request import read_request
from bidpilot.serving.server import applications
from tests.serving.openrtb.desks import NOW, URL, Desks

HINTS = {"bidpilot": {"exposure": 0.6, "interaction": 0.25, "conversion": 0.006, "segment": "feed/head"}}


def asked(**fields: Any) -> BidRequest:
    return decode_request(json.dumps({"id": "r", "imp": [], **fields}).encode())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = {
        "addresses.txt": "# data centres\n203.0.113.0/24\n2001:db8::/32 # one of version 6\n",
        "addresses-proxies.txt": "198.51.100.7\n",
        "agents.txt": "Googlebot\ncurl/\n",
        "apps.txt": "com.Bad.app\n",
        "sites.txt": "bad.example\nhttps://worse.example/\n",
        "sellers/ssp.example.json": json.dumps({"sellers": [{"seller_id": "s1"}, {"seller_id": 2}]}),
        "ads/news.example.txt": "ssp.example, s1, DIRECT, f08\nother.example,9,RESELLER\ncontact=x\n",
        "ads/com.good.app.txt": "ssp.example,2,DIRECT\n",
    }
    for name, text in files.items():
        (tmp_path / "lists" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "lists" / name).write_text(text)
    return tmp_path / "lists"


def chain(*nodes: tuple[str, str], complete: int = 1) -> dict[str, Any]:
    return {"complete": complete, "ver": "1.0", "nodes": [{"asi": a, "sid": s, "hp": 1} for a, s in nodes]}


NEWS = {"site": {"domain": "news.example"}}


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({}, None),
        ({"device": {"ip": "203.0.113.77"}}, Refusal.address),
        ({"device": {"ip": " 198.51.100.7 "}}, Refusal.address),
        ({"device": {"ip": "198.51.100.8"}}, None),
        ({"device": {"ip": "::ffff:203.0.113.1"}}, Refusal.address),
        ({"device": {"ipv6": "2001:db8:0:1::"}}, Refusal.address),
        ({"device": {"ipv6": "2001:db9::1"}}, None),
        ({"device": {"ip": "203.0.113"}}, None),
        ({"device": {"ip": "not an address", "ua": "Mozilla/5.0"}}, None),
        ({"device": {"ua": "Mozilla/5.0 (compatible; GoogleBot/2.1)"}}, Refusal.agent),
        ({"device": "junk"}, None),
        ({"device": {"ip": 7, "ua": "curl/8"}}, Refusal.agent),
        ({"app": {"bundle": "com.bad.APP"}}, Refusal.app),
        ({"app": {"bundle": "com.bad.app2"}}, None),
        ({"site": {"domain": "www.bad.example"}}, Refusal.site),
        ({"site": {"page": "https://worse.example/page?x"}}, Refusal.site),
        ({"site": {"domain": "notbad.example"}}, None),
        ({"site": {"page": "https://bad.example?x"}}, Refusal.site),
        ({"site": {"page": "https://bad.example:443/x"}}, Refusal.site),
        ({"site": {"page": "bad.example/?u=https://ok.example/"}}, Refusal.site),
        ({"site": {"page": "https://me:word@bad.example#x"}}, Refusal.site),
        ({"site": {"page": "https:\\\\bad.example\\x"}}, Refusal.site),
        ({"site": {"page": "https://ok.example/?u=https://bad.example/"}}, None),
        ({"site": {"page": "https://ok.example@bad.example/"}}, Refusal.site),
        ({"site": {"domain": "a." * 50_000 + "bad.example"}}, Refusal.site),
        ({"source": {"schain": chain(("ssp.example", "s1"))}}, None),
        ({"source": {"ext": {"schain": chain(("SSP.example", "2"))}}}, None),
        ({"source": {"schain": chain(("ssp.example", "unknown"))}}, Refusal.seller),
        ({"source": {"schain": chain(("nobody-has-a-file.example", "7"))}}, None),
        (NEWS | {"source": {"schain": chain(("ssp.example", "s1"), ("other.example", "9"))}}, None),
        (NEWS | {"source": {"schain": chain(("ssp.example", "2"))}}, Refusal.seller),
        (NEWS | {"source": {"schain": chain(("third.example", "9"))}}, Refusal.seller),
        ({"app": {"bundle": "com.good.app"}, "source": {"schain": chain(("ssp.example", "2"))}}, None),
        ({"app": {"bundle": "com.good.app"}, "source": {"schain": chain(("ssp.example", "s1"))}}, Refusal.seller),
        (NEWS, None),
    ],
)
def test_a_request_is_refused_for_the_list_that_it_is_on(
    folder: Path, fields: dict[str, Any], why: Refusal | None
) -> None:
    assert Screen(folder).against(asked(**fields)) is why


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"site": {"domain": "bad.example", "publisher": "x"}}, Refusal.site),
        ({"site": {"domain": ["a", "b"], "page": "https://bad.example/"}}, Refusal.site),
        ({"site": {"domain": ["a", "b"], "page": "https://good.example/"}}, None),
        ({"site": {"domain": ["a", "b"]}}, Refusal.site),
        ({"site": {"domain": "good.example", "page": {}}}, None),
        ({"site": {"page": {}}}, Refusal.site),
        ({"site": "bad.example"}, Refusal.site),
        ({"site": {"publisher": "x"}}, None),
        ({"app": {"bundle": "com.bad.app", "publisher": 7}}, Refusal.app),
        ({"app": {"bundle": ["com.bad.app", "x"]}}, Refusal.app),
        ({"app": [7]}, Refusal.app),
        ({"app": {"bundle": "com.fine", "content": 7}}, None),
    ],
)
def test_what_cannot_be_read_of_a_place_hides_nothing_else_of_it(
    folder: Path, fields: dict[str, Any], why: Refusal | None
) -> None:
    request = read_request(json.dumps({"id": "r", "imp": [], **fields}).encode(), Counter())
    assert Screen(folder).against(request) is why


@pytest.mark.parametrize("place", [{"site": {"domain": {}}}, {"app": {"bundle": {}}}, {"site": 7}])
def test_nobody_may_sell_for_a_place_that_cannot_be_read(folder: Path, place: dict[str, Any]) -> None:
    for name in ("apps.txt", "sites.txt"):
        (folder / name).unlink()
    fields = {"id": "r", "imp": [], "source": {"schain": chain(("ssp.example", "s1"))}} | place
    assert Screen(folder).against(read_request(json.dumps(fields).encode(), Counter())) is Refusal.seller


@pytest.mark.parametrize(
    ("told", "complete", "required"),
    [
        (None, None, Refusal.chain),
        (chain(("a.example", "1")), None, None),
        (chain(("a.example", "1"), complete=0), Refusal.chain, Refusal.chain),
        (chain(), Refusal.chain, Refusal.chain),
        (chain(("a.example", "")), Refusal.chain, Refusal.chain),
        ({"complete": "1", "nodes": [{"asi": "a.example", "sid": 1}]}, None, None),
        ({"nodes": [{"asi": "a.example", "sid": "1"}]}, Refusal.chain, Refusal.chain),
        ("junk", None, Refusal.chain),  # unreadable is absent
    ],
)
def test_a_supply_chain_is_whole_where_that_is_asked(
    told: Any, complete: Refusal | None, required: Refusal | None
) -> None:
    request = asked(source={} if told is None else {"schain": told})
    assert Screen(None, Demand.complete).against(request) is complete
    assert Screen(None, Demand.required).against(request) is required


AGENT = st.text(st.sampled_from("abAB /;K\u212a"), max_size=12)


@given(
    parts=st.lists(AGENT.filter(bool), min_size=1, max_size=12), agent=st.text(st.sampled_from("abAB /;K"), max_size=40)
)
def test_an_agent_is_found_where_one_of_the_parts_is_in_it(parts: list[str], agent: str) -> None:
    assert Agents(parts).found(agent) is any(part.lower() in agent.lower() for part in parts)
    assert all(Agents(parts).found(f"x{part.upper()}y") for part in parts)


def test_a_user_agent_that_is_too_long_is_no_persons_and_is_not_looked_at(folder: Path) -> None:
    screen, usual = Screen(folder), "Mozilla/5.0 "
    assert screen.against(asked(device={"ua": (usual * 100)[:MOST_AGENT]})) is None
    assert screen.against(asked(device={"ua": (usual * 100)[: MOST_AGENT + 1]})) is Refusal.agent
    (folder / "agents.txt").unlink()
    assert Screen(folder).against(asked(device={"ua": usual * 1000})) is None


NETWORKS = st.lists(st.builds(
    lambda a, length: ipaddress.ip_network((a >> (32 - length) << (32 - length), length)),
    st.integers(0, 2**32 - 1), st.integers(1, 32),
), max_size=30)  # fmt: skip


@given(networks=NETWORKS, addresses=st.lists(st.integers(0, 2**32 - 1), max_size=20))
def test_an_address_is_found_where_one_of_the_networks_has_it(networks: list[Any], addresses: list[int]) -> None:
    found = Networks(networks)
    edges = [int(a) for net in networks for a in (net[0], net[-1])]
    for number in [*addresses, *edges, *(edge + 1 for edge in edges if edge < 2**32 - 1)]:
        address = ipaddress.ip_address(number)
        assert (str(address) in found) is any(address in net for net in networks)
        assert (f"::ffff:{address}" in found) is any(address in net for net in networks)


def test_lists_are_read_anew_and_stay_where_they_cannot_be(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    screen, request = Screen(folder), asked(device={"ip": "192.0.2.1", "ua": "Robot"})
    assert screen.against(request) is None
    (folder / "agents-more.txt").write_text("robot\n")
    asyncio.run(screen.again())
    assert screen.against(request) is Refusal.agent
    (folder / "addresses.txt").write_text("192.0.2.0/24\nnot a network\n")
    asyncio.run(screen.again())
    assert "addresses.txt cannot be read" in caplog.text
    assert screen.against(request) is Refusal.agent
    with pytest.raises(InvalidServing, match="not a network"):
        Screen(folder)
    with pytest.raises(InvalidServing, match="no folder"):
        Screen(folder / "missing")
    asyncio.run(Screen(None, Demand.required).again())


def test_nothing_is_asked_where_nothing_is_configured() -> None:
    assert Screen.of(None, Demand.any) is None


def test_what_is_refused_is_counted_logged_and_no_auction(bundle_folder: Path, memory: Path, folder: Path) -> None:
    config = ServeConfig(
        bundle=bundle_folder, state=memory / "s", decisions=memory / "d", budget=1e5, blocklists=folder,
        supply_chain=Demand.complete,
    )  # fmt: skip
    request = {"id": "r", "imp": [{"id": "1", "ext": HINTS}], "device": {"ip": "203.0.113.5"}}
    with open_bidder(config, ManualClock(NOW)) as bidder:
        app, admin = applications(bidder, config, URL)
        desks = Desks(bundle_folder, memory)
        answer = desks.ask(app, {"creatives": ["video"]}, request, lost=False)
        assert answer.reasons == {"givt_address": 1}
        assert desks.ask(app, {"creatives": ["video"]}, request | {"test": 1}, lost=False).status == 204
        assert bidder.refused == {("default", Refusal.address): 1}  # a test is not counted
        assert bidder.days["default"].collector.auctions == 0
        text = app.metrics.text().decode()
        assert 'bidpilot_refused_traffic_total{campaign="default",reason="givt_address"} 1.0' in text
        asked_for = read_request(json.dumps(request).encode(), Counter())
        shown = explained(bidder, admin.reader, "bidpilot", asked_for, NOBODY)
        assert shown["1"]["default"]["not_shown"] == "givt_address"
        assert desks.ask(app, {"creatives": ["video"]}, request | {"device": {}}).bids
    rows = pl.concat([pl.read_parquet(path) for path in (memory / "d").glob("decisions-*.parquet")])
    assert sorted(rows["result"]) == ["givt_address", "lost"]
