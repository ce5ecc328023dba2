"""The data inventory is true: what it names is what is kept, and nothing of a bid request is kept beside it.

A server is asked with requests in which every field holds a text or a number of its own, in good times and in bad ones;
then each byte that it has written, told or logged is looked through for them.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import polars as pl
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bidpilot.serving.bidder import Bidder
from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import DAY, ManualClock
from bidpilot.serving.capping.cap import Cap
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.http import Application, Request, Response
from bidpilot.serving.prediction.view import RequestView
from bidpilot.serving.privacy.command import run
from bidpilot.serving.privacy.config import PrivacyConfig
from bidpilot.serving.privacy.declared import METRICS
from bidpilot.serving.privacy.faults import frames_of, where
from bidpilot.serving.privacy.inventory import Store, of_requests, stores
from bidpilot.serving.restrictions.audience import Audience
from bidpilot.serving.server import applications
from tests.serving.doors import Given
from tests.serving.served import fill

TOKEN = "the-token-of-all-roles"

NUMBERS = ("bidfloor", "exposure", "interaction", "conversion", "lat", "lon", "yob", "price", "dur", "w", "h", "exp")
"""Fields that hold a number; each gets one of its own, and all others a text of its own."""

OBJECTS: dict[str, tuple[str, ...]] = {
    "": ("id",),
    "site": ("id", "name", "domain", "page", "ref", "search", "keywords"),
    "site.publisher": ("id", "name", "domain"),
    "site.content": ("id", "title", "series", "url", "keywords", "language"),
    "site.ext": ("anything",),
    "device": (
        "ifa",
        "ip",
        "ipv6",
        "ua",
        "didsha1",
        "dpidmd5",
        "macsha1",
        "make",
        "model",
        "os",
        "carrier",
        "language",
    ),
    "device.geo": ("lat", "lon", "city", "zip", "region"),
    "device.ext": ("atts",),
    "user": ("id", "buyeruid", "yob", "gender", "keywords", "customdata"),
    "user.geo": ("lat", "lon", "zip"),
    "user.ext": ("consent", "eids"),
    "regs": ("us_privacy", "gpp"),
    "regs.ext": ("gpp",),
    "source": ("tid", "pchain"),
    "source.ext": ("schain",),
    "ext": ("anything",),
}
IMP = ("id", "tagid", "displaymanager", "bidfloor")
HINTS = ("exposure", "interaction", "conversion")


class Marks:
    """Texts and numbers that occur nowhere else, by the field that holds them."""

    def __init__(self) -> None:
        self.by_field: dict[str, str | float] = {}
        self._count = itertools.count(1)

    def of(self, path: str) -> Any:
        if path in self.by_field:
            return self.by_field[path]
        k, name = next(self._count), path.rpartition(".")[2]
        self.by_field[path] = 0.0005 + k * 1.37e-7 if name in NUMBERS else f"MARK{k:04d}MARK"
        return self.by_field[path]

    def request(self, hints: bool = True, demands: bool = True) -> dict[str, Any]:
        """A request in which each field has its own mark; `demands`: those too that say what a creative must be."""
        made: dict[str, Any] = {}
        for path, names in OBJECTS.items():
            place = made
            for part in path.split(".") if path else ():
                place = place.setdefault(part, {})
            for name in names:
                place[name] = self.of(f"{path}.{name}".strip("."))
        made["regs"]["gdpr"] = 1  # with consent, so that rules of a campaign may read the person
        imp: dict[str, Any] = {name: self.of(f"imp.{name}") for name in IMP}
        imp["ext"] = {"anything": self.of("imp.ext.anything")}
        if demands:
            imp["video"] = {"mimes": [self.of("imp.video.mimes")], "ext": {"a": self.of("imp.video.ext")}}
            imp["pmp"] = {"deals": [{"id": self.of("imp.pmp.deals.id")}]}
            made |= {"badv": [self.of("badv")], "bapp": [self.of("bapp")]}
        else:
            made["regs"]["us_privacy"] = "1YNN"  # or the person would be known by no id
        if hints:
            told = {name: self.of(f"imp.ext.bidpilot.{name}") for name in HINTS}
            imp["ext"]["bidpilot"] = told | {"segment": 0, "explain": True, "odd": self.of("imp.ext.bidpilot.odd")}
        made["device"]["geo"]["country"] = "AUT"
        return made | {"imp": [imp], "at": 2}

    def found(self, text: str, numbers: list[float]) -> set[str]:
        """The fields whose marks are somewhere."""
        by_number = {field for field, mark in self.by_field.items() if isinstance(mark, float)}
        shown = np.array(sorted(numbers))
        found = {field for field, mark in self.by_field.items() if isinstance(mark, str) and mark in text}
        for field in by_number:
            mark = float(self.by_field[field])
            near = any(np.isclose(shown, value, rtol=1e-6, atol=0).any() for value in (mark, mark / 1000, mark * 1e6))
            if near or f"{mark:.9g}" in text:
                found.add(field)
        return found


def failing(view: RequestView) -> list[list[float]]:
    """A predictor that says in its error all that it was told."""
    raise KeyError(f"no prediction for {view._raw!r} {view.user} {view.device} {view.impressions}")


@pytest.fixture
def kept(bundle_folder: Path, memory: Path, monkeypatch: pytest.MonkeyPatch) -> ServeConfig:
    monkeypatch.setenv("BIDPILOT_ADMIN_TOKEN", TOKEN)
    file = memory / "experiment.json"
    arms = [{"name": "control", "share": 0.5}, {"name": "new", "share": 0.5}]
    file.write_text(json.dumps({"name": "x", "arms": arms}))  # for which users and devices are read
    return ServeConfig(
        bundle=bundle_folder, state=memory / "s", decisions=memory / "d", predictor=f"{__name__}:failing",
        explain=True, experiment=file,
    )  # fmt: skip


async def send(app: Callable[[Request], Any], method: str, path: str, body: bytes = b"", query: str = "") -> Response:
    async def read(most: int, seconds: float) -> bytes:
        return body

    response: Response = await app(Given(method, path, query, f"Bearer {TOKEN}", read, "10.9.8.7:1234"))
    return response


async def through_rsgi(handle: Callable[[Request], Any], path: str, body: bytes) -> None:
    """As a server does it, where what fails is logged with its trace."""

    class Scope:
        proto, method, query_string, client = "http", "POST", "", "10.9.8.7:1"
        headers = {"content-length": str(len(body)), "authorization": f"Bearer {TOKEN}"}  # noqa: RUF012

    class Protocol:
        async def __call__(self) -> bytes:
            return body

        def response_bytes(self, status: int, *_: object) -> None:
            assert status in (200, 500)

    scope = Scope()
    scope.path = path  # type: ignore[attr-defined]
    await Application(handle).__rsgi__(scope, Protocol())


async def broken(request: Request) -> Response:
    """A fault of ours that says all that it was told."""
    body = (await request.read(1 << 20, 1.0)).decode()
    raise RuntimeError(body) from KeyError(body)


async def a_hard_day(bidder: Bidder, config: ServeConfig, marks: Marks) -> bytes:
    """Bids, wins, bills, losses, events, refusals, failures and orders, each with marks; the metrics at the end."""
    exchange, admin = applications(bidder, config, "http://x")
    notices = []
    for turn in range(6):
        await send(exchange, "POST", "/openrtb2/bid", json.dumps(marks.request()).encode())
        response = await send(exchange, "POST", "/openrtb2/bid", json.dumps(marks.request(demands=False)).encode())
        assert response.status == 200, response
        bid = json.loads(response.body)["seatbid"][0]["bid"][0]
        notices += [[bid["nurl"], bid["burl"], bid["lurl"], bid["ext"]["bidpilot"]["event_url"] + "&e=like"][turn % 4]]
        if turn == 3:
            notices += [bid["nurl"], bid["burl"], bid["burl"]]
    for notice in notices:
        parts = urlsplit(fill(notice, 0.3, 0.2))
        await send(exchange, "GET", parts.path, query=f"{parts.query}&x={marks.of('notice.x')}")
        await send(exchange, "GET", parts.path, query=f"t={marks.of('notice.t')}&p={marks.of('notice.p')}")
        await send(exchange, "GET", parts.path, query=f"{parts.query}&e={marks.of('notice.e')}")
    failed = json.dumps(marks.request(hints=False)).encode()  # asks the predictor
    for body in (failed, failed[:-40], failed.replace(b'"at": 2', b'"at": "MARKATMARK"'), b"\xff" + failed, b"[]"):
        await send(exchange, "POST", "/openrtb2/bid", body)
    marks.by_field["at, as a text"] = "MARKATMARK"
    await send(exchange, "POST", f"/openrtb2/bid/{marks.of('path')}", failed)
    await send(admin, "POST", "/admin/explain", json.dumps(marks.request()).encode())
    await through_rsgi(admin, "/admin/explain", failed)
    await through_rsgi(broken, "/openrtb2/bid", failed)
    for action in ("kill", "revive", "campaigns/default/pause", "campaigns/default/resume"):
        await send(admin, "POST", f"/admin/{action}", failed)
    await send(admin, "PUT", "/admin/campaigns/default", failed)
    await send(admin, "POST", "/admin/experiment/stop", failed)
    await send(admin, "POST", "/admin/experiment/stop", b'{"to": "new"}')
    bidder.tick()
    return admin.metrics.text()


def written(folder: Path) -> tuple[str, list[float]]:
    """All that is in the files of a folder, as text, and all numbers of its tables."""
    text, numbers = "", []
    for path in (path for path in folder.rglob("*") if path.is_file()):
        data = path.read_bytes()
        text += data.decode("latin-1") + str(path)
        if path.suffix == ".parquet":
            frame = pl.read_parquet(path)
            text += "\n".join(map(str, frame.rows()))
            numbers += [float(v) for row in frame.rows() for v in row if isinstance(v, float)]
        elif path.suffix == ".npz":
            with np.load(path) as arrays:
                numbers += [float(v) for array in arrays.values() for v in array.ravel()]
    return text, numbers


@pytest.fixture
def day(kept: ServeConfig, caplog: pytest.LogCaptureFixture) -> tuple[ServeConfig, Marks, str, str]:
    """What was served, and the metrics and the log of it."""
    caplog.set_level(logging.DEBUG)
    marks, clock = Marks(), ManualClock(20_000 * DAY)
    with open_bidder(kept, clock) as bidder:
        audience = Audience(not_regions=("DEU",), consent=True)
        rules = {
            "caps": (Cap(most=1000, hours=168),),
            "audience": audience,
            "minors": True,
        }  # a mark is no year of birth
        for served in list(bidder.served.values()):
            bidder.put(served.model_copy(update=rules))
        bidder.tick()
        metrics = asyncio.run(a_hard_day(bidder, kept, marks)).decode()
        clock.move(20_001 * DAY + 1)
        bidder.tick()
        assert bidder.capping._table._by_user  # and somebody was shown something
    return kept, marks, metrics, caplog.text


def test_no_field_of_a_request_is_kept_but_those_that_the_inventory_names(
    day: tuple[ServeConfig, Marks, str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    config, marks, metrics, log = day
    text, numbers = written(config.state)
    more, numbers_too = written(config.decisions or Path())
    out, err = capfd.readouterr()
    assert len(marks.by_field) > 60
    found = marks.found("\n".join((text, more, metrics, log, out, err)), numbers + numbers_too)
    assert found == {"imp.bidfloor", *(f"imp.ext.bidpilot.{name}" for name in HINTS)}
    assert found <= of_requests().keys()
    assert "10.9.8.7" not in more + metrics + log + out + err  # the address of whoever asks for bids
    assert "KeyError" in log  # it was a hard day


def test_marks_are_found_where_they_are() -> None:
    """The test above would see a field that is kept."""
    marks = Marks()
    request = json.dumps(marks.request())
    assert marks.found(request, []) == set(marks.by_field)
    assert marks.found("", [0.0005 + 1.37e-7 * 1000]) == set()
    assert marks.found("", [float(np.float32(marks.by_field["imp.bidfloor"]))]) == {"imp.bidfloor"}


@pytest.mark.parametrize("store", stores(), ids=lambda store: store.where)
def test_each_field_that_is_kept_is_declared_and_each_that_is_declared_is_kept(store: Store) -> None:
    assert store.undeclared == set()
    assert store.gone == set()
    assert all(store.field(name).why for name in store.fields)


def test_each_label_of_the_metrics_is_declared_and_told(day: tuple[ServeConfig, Marks, str, str]) -> None:
    families = text_string_to_metric_families(day[2])
    assert {label for family in families for sample in family.samples for label in sample.labels} == set(METRICS)


def test_each_file_is_of_a_store_that_is_declared(day: tuple[ServeConfig, Marks, str, str]) -> None:
    config = day[0]
    named = " ".join([store.where for store in stores()] + [name for store in stores() for name in store.fields])
    for path in [*config.state.rglob("*"), *(config.decisions or Path()).rglob("*")]:
        name = path.name.removesuffix("-wal").removesuffix("-shm").partition("-")[0]
        assert path.is_dir() or name in named, path


def test_the_tables_of_a_database_are_those_of_its_schema(day: tuple[ServeConfig, Marks, str, str]) -> None:
    for name in ("state.sqlite", "ledger.sqlite"):
        (store,) = [store for store in stores() if name in store.where]
        with closing(sqlite3.connect(day[0].state / name)) as db:
            tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            columns = {f"{table}.{row[1]}" for table in tables for row in db.execute(f"PRAGMA table_info({table})")}
        assert columns == set(store.fields)


def test_each_line_of_the_log_of_events_has_declared_fields(day: tuple[ServeConfig, Marks, str, str]) -> None:
    (events,) = [store for store in stores() if store.where == "standard error"]
    lines = [line[line.index("{") :] for line in day[3].splitlines() if ' {"event"' in line]
    assert lines
    assert {name for line in lines for name in json.loads(line)} <= set(events.fields)


def test_a_fault_is_told_by_its_kinds_and_places_alone() -> None:
    secret = "of a request"

    def fault() -> None:
        try:
            raise KeyError(f"secret {secret}")
        except KeyError as error:
            raise ValueError(f"another {secret}") from error

    with pytest.raises(ValueError, match="another") as caught:
        fault()
    assert where(caught.value).startswith("ValueError at test_inventory.py:")
    told = frames_of(caught.value)
    assert all(part in told for part in ("KeyError", "ValueError", "test_inventory.py"))
    assert secret not in told  # lines of the code are shown, and no text of a fault


def test_the_command_prints_a_row_for_each_field(capsys: pytest.CaptureFixture[str]) -> None:
    run(PrivacyConfig(do="inventory"))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + sum(len(store.fields) for store in stores())
    assert {line.count("|") for line in lines} == {lines[0].count("|")}
    assert "NOT DECLARED" not in "".join(lines)
