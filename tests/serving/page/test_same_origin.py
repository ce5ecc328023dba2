"""A change is made by our own page or by a program, never by somebody else's page."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import DAY, ManualClock
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.page.same_origin import foreign
from bidpilot.serving.server import applications
from tests.serving.doors import Given

HOST = "127.0.0.1:8081"
OWN = {"host": HOST, "origin": f"http://{HOST}", "sec-fetch-site": "same-origin"}


async def read(most: int, seconds: float) -> bytes:
    return b""


def asked(method: str, headers: dict[str, str], path: str = "/admin/kill", token: str = "x") -> Given:
    return Given(method, path, "", f"Bearer {token}", read, header=headers.get)


@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        ({}, False),  # curl
        ({"host": HOST}, False),
        (OWN, False),
        (OWN | {"host": "bids.example:8081", "origin": "https://BIDS.example:8081"}, False),
        (OWN | {"sec-fetch-site": "cross-site"}, True),
        (OWN | {"sec-fetch-site": "same-site"}, True),  # another port of this machine
        (OWN | {"sec-fetch-site": ""}, True),
        (OWN | {"origin": "http://127.0.0.1:8080"}, True),
        (OWN | {"origin": f"http://{HOST}.evil.example"}, True),
        (OWN | {"origin": f"http://{HOST}@evil.example"}, True),
        (OWN | {"origin": "http://["}, True),
        (OWN | {"origin": "null"}, True),
        (OWN | {"origin": ""}, True),
        ({"origin": f"http://{HOST}"}, True),  # to no host
    ],
)
def test_who_asks_is_told_by_what_a_browser_says(headers: dict[str, str], refused: bool) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert foreign(asked(method, headers)) == refused
    assert not foreign(asked("GET", headers))


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=40), st.text(max_size=40))
def test_no_other_origin_passes(origin: str, site: str) -> None:
    for other in (origin, f"http://{origin}", f"http://{HOST}{origin}."):
        assert foreign(asked("POST", {"host": HOST, "origin": other}))
    assert foreign(asked("POST", {"host": HOST, "sec-fetch-site": site})) == (site not in ("same-origin", "none"))


def test_a_foreign_page_stops_nothing_even_with_the_right_token(
    bundle_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIDPILOT_ADMIN_TOKEN", "the-token-of-all-roles")
    config = ServeConfig(bundle=bundle_folder, state=tmp_path)
    with open_bidder(config, ManualClock(20_000 * DAY)) as bidder:
        app = applications(bidder, config, "http://x")[1]
        evil = asked("POST", OWN | {"sec-fetch-site": "cross-site"}, token="the-token-of-all-roles")
        response = asyncio.run(app(evil))
        assert (response.status, bidder.killed) == (403, False)
        assert "another site" in json.loads(response.body)["error"]
        assert asyncio.run(app(asked("POST", OWN, token="the-token-of-all-roles"))).status == 200
        assert bidder.killed
