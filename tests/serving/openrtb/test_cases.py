"""Each file of `cases` is a request, a campaign with its creatives, and what the specification wants answered."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from bidpilot.serving.decision_log import Row
from bidpilot.serving.explaining import explained
from bidpilot.serving.messages import decode_request
from bidpilot.serving.openrtb import NOBODY
from bidpilot.serving.reading.request import read_request
from bidpilot.serving.restrictions import consent, person
from bidpilot.serving.restrictions.visit import Visit
from tests.serving.openrtb.desks import HERE, NOW, Answer, Desks, opened
from tests.serving.openrtb.schema import schema

CASES = sorted((HERE / "cases").glob("*.json"))


@pytest.fixture(scope="module")
def desks(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desks]:
    yield from opened(bundle_folder, tmp_path_factory.mktemp("desks"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_answer_is_the_specifications(desks: Desks, path: Path) -> None:
    case = json.loads(path.read_text())
    app = desks.app(case.get("config", {}))
    answer = desks.ask(app, case["campaign"], case["request"])
    expect = case["expect"]
    assert answer.status == expect.get("status", 204 if "reason" in expect else 200), answer.reasons
    if "bid" in expect:
        check_bid(answer, expect, app.config.currency)
    elif "nbr" in expect:
        assert answer.whole["nbr"] == expect["nbr"]
        assert not answer.bids
    elif "reason" in expect:
        assert answer.reasons == {expect["reason"]: 1}
    else:
        assert expect["error"] in answer.whole["error"]
    assert sum(day.wallet.promised for day in app.bidder.days.values()) == 0


def check_bid(answer: Answer, expect: dict[str, Any], currency: str) -> None:
    assert answer.whole["cur"] == expect.get("cur", currency)
    (bid,) = answer.bids
    for field, value in expect["bid"].items():
        found = bid.get(field)
        assert math.isclose(found, value) if field == "price" else found == value, (field, found)
    if "adm" in bid:
        assert "BIDPILOT_" not in bid["adm"]
    if bid.get("mtype") in (2, 3):
        assert bid["ext"]["bidpilot"]["event_url"] in bid["adm"] or bid["crid"] == "old"


def test_nothing_of_a_user_or_a_device_is_decoded_where_there_is_no_consent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor of children, nor where no rule asks: what is not decoded is neither read nor logged."""
    body: dict[str, Any] = {
        "id": "r",
        "imp": [],
        "user": {"id": "u", "yob": 1980},
        "device": {"geo": {"country": "DEU"}, "ifa": "i"},
    }
    read: list[str] = []
    for room, name in ((person, "_user"), (person, "_device"), (consent, "_limited")):
        monkeypatch.setattr(room, name, lambda raw, name=name: read.append(name))

    def asked(**fields: Any) -> list[str]:
        read.clear()
        visit = Visit(decode_request(json.dumps(body | fields).encode()), "seat")
        found = visit.person
        with suppress(AttributeError):
            found.minor(NOW), found.age(NOW), found.region, found.id
        return read

    assert asked(regs={"gdpr": 1}) == []
    assert asked(regs={"ext": {"gdpr": 1}}, user=body["user"] | {"consent": ""}) == []
    assert asked(regs={"coppa": 1}) == []
    assert asked(app={"content": {"contentrating": "tv-y7"}}) == []
    assert asked(regs={"gdpr": 0}) == ["_user"]
    assert asked(regs={"gdpr": 1}, user=body["user"] | {"ext": {"consent": "CP"}}) == ["_user"]
    assert not [name for name in Row._fields if name in ("user", "device", "ip", "ifa", "ua", "consent", "geo")]


def test_explain_says_which_creative_would_be_shown_or_why_none(desks: Desks) -> None:
    app = desks.app({})
    case = json.loads((HERE / "cases" / "deal-private-for-us.json").read_text())
    desks.ask(app, case["campaign"], case["request"])

    def explain(request: dict[str, Any]) -> Any:
        asked = read_request(json.dumps(request).encode(), Counter())
        return explained(app.bidder, app.reader, "bidpilot", asked, NOBODY)["1"]["default"]

    shown = explain(case["request"])
    assert (shown["creative"], [option["deal"] for option in shown["options"]]) == ("v", ["d"])
    assert explain(case["request"] | {"badv": ["shop.example"]})["not_shown"] == "blocked_advertiser"


def test_what_a_campaign_has_nothing_to_show_for_is_no_auction_of_it(desks: Desks) -> None:
    app = desks.app({})
    seen = []
    for name in ("format-banner", "format-banner-for-a-video", "deal-private-for-another-seat"):
        case = json.loads((HERE / "cases" / f"{name}.json").read_text())
        desks.ask(app, case["campaign"], case["request"])
        seen.append(app.bidder.days["default"].collector.auctions)
    assert seen[0] == seen[1] == seen[2]


def test_there_are_cases_of_every_kind() -> None:
    assert len(CASES) >= 80
    assert {path.name.partition("-")[0] for path in CASES} >= {"format", "deal", "currency", "category", "form"}


def test_the_schema_is_one_of_json() -> None:
    assert schema()["properties"].keys() >= {"id", "seatbid", "cur", "nbr"}
