"""Requests in looser forms are bid on as others are, compressed ones too, and what they lose is counted."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import DAY, ManualClock
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.exchange_app import ExchangeApp
from bidpilot.serving.http import Response
from bidpilot.serving.server import applications
from tests.serving.doors import Given
from tests.serving.served import imp, request


@pytest.fixture
def app(bundle_folder: Path, tmp_path: Path) -> Iterator[ExchangeApp]:
    config = ServeConfig(bundle=bundle_folder, state=tmp_path, max_body=4096)
    with open_bidder(config, ManualClock(20_000 * DAY)) as bidder:
        yield applications(bidder, config, "http://127.0.0.1")[0]


def send(app: ExchangeApp, body: bytes, encoding: str | None = None, accepts: str | None = None) -> Response:
    async def read(most: int, seconds: float) -> bytes:
        return body

    return asyncio.run(app(Given("POST", "/openrtb2/bid", "", None, read, encoding=encoding, accepts=accepts)))


def bids(response: Response) -> list[str]:
    """The impressions that were bid on."""
    return [bid["impid"] for seat in json.loads(response.body or b"{}").get("seatbid", ()) for bid in seat["bid"]]


def plain(**fields: Any) -> bytes:
    return json.dumps(request(**fields)).encode()


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress), (None, bytes)])
def test_a_compressed_request_is_answered_as_a_plain_one(app: ExchangeApp, encoding: str | None, pack: Any) -> None:
    assert bids(send(app, pack(plain()), encoding)) == ["1"]


def test_what_inflates_beyond_the_largest_body_is_refused_and_counted(app: ExchangeApp) -> None:
    bomb = gzip.compress(plain(x=" " * 10_000_000))
    assert send(app, bomb, "gzip").status == 413
    assert send(app, plain(), "gzip").status == 400
    assert send(app, plain(), "br").status == 415
    assert app.metrics.refused == {"body_too_large": 1, "body_not_inflated": 1, "encoding_unknown": 1}


def test_who_takes_gzip_is_answered_in_gzip(app: ExchangeApp) -> None:
    packed = send(app, plain(), accepts="gzip, deflate")
    assert ("content-encoding", "gzip") in packed.headers
    assert bids(Response(200, gzip.decompress(packed.body))) == ["1"]
    assert ("content-encoding", "gzip") not in send(app, plain(), accepts="br").headers


def test_an_impression_that_cannot_be_read_costs_itself_alone(app: ExchangeApp) -> None:
    malformed: list[Any] = [imp("2") | {"bidfloor": [1]}, imp("3") | {"exp": "soon"}, {"bidfloor": 1}, 7]
    response = send(app, json.dumps(request(imp("1", exposure="0.5"), *malformed, imp("4", floor=-1.0))).encode())
    assert bids(response) == ["1"]
    assert app.metrics.forms == {"malformed_imp": 4, "number_as_text": 1}
    assert app.metrics.refused == {"invalid_floor": 1}
    assert b'bidpilot_forms_total{form="malformed_imp"} 4.0' in app.metrics.text()


def test_impressions_that_share_an_id_are_refused_by_it(app: ExchangeApp) -> None:
    assert bids(send(app, json.dumps(request(imp("1"), imp("2"), imp("1"), imp("3"))).encode())) == ["2", "3"]
    assert app.metrics.refused == {"duplicate_imp": 2}


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (plain(x="HERE").replace(b'"HERE"', b"NaN"), "$.x"),
        (
            json.dumps(request(imp() | {"bidfloor": "HERE"})).replace('"HERE"', "-Infinity").encode(),
            "$.imp[0].bidfloor",
        ),
        (plain(x="HERE").replace(b'"HERE"', b"[" * 70 + b"]" * 70), "$.x"),
        (plain(x="HERE").replace(b'"HERE"', b"[" * 2000), "$.x"),
        (plain(at=1.5), "$.at"),
        (plain(badv=[{}]), "$.badv[0]"),
    ],
)
def test_what_is_refused_is_refused_with_the_fields_path(app: ExchangeApp, body: bytes, path: str) -> None:
    response = send(app, body)
    assert response.status == 400
    assert path in json.loads(response.body)["error"]
    assert app.metrics.refused == {"not_openrtb": 1}
