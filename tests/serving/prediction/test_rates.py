"""The built-in predictor: rates of the cell, else of the source, else of all; read and renewed while it serves."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bidpilot.bidding.errors import InvalidPredictor
from bidpilot.serving.admin_app import AdminApp
from bidpilot.serving.build import open_bidder
from bidpilot.serving.calendar import DAY, ManualClock
from bidpilot.serving.config import ServeConfig
from bidpilot.serving.exchange_app import ExchangeApp
from bidpilot.serving.guardrails import Cause
from bidpilot.serving.prediction.rates import Rates, RatesFile
from bidpilot.serving.server import applications, reload
from tests.serving.doors import ask
from tests.serving.served import TOKEN, only_bid, request

HOUR = 5
FILE: dict[str, Any] = {
    "sources": 3, "days": 2, "first": "2026-01-01", "last": "2026-01-02", "wins": 100,
    "strength": {"interaction": {"source": 12.5, "cell": None}},
    "all": [0.5, 0.1, 0.01], "source": {"1": [0.5, 0.2, 0.01]},
    "cells": [{"source": 1, "format": "video", "hour": HOUR, "rate": [0.5, 0.4, 0.01]}],
}  # fmt: skip


def written(path: Path, **changes: Any) -> Path:
    path.write_text(json.dumps(FILE | changes))
    return path


def test_a_cell_that_is_known_speaks_for_itself_else_its_source_else_all() -> None:
    rates = Rates(RatesFile.model_validate(FILE), 3, Path("x"))
    assert rates(1, "video", HOUR) == (0.5, 0.4, 0.01)
    assert rates(1, "video", HOUR + 1) == rates(1, "banner", HOUR) == (0.5, 0.2, 0.01)
    assert rates(2, "video", HOUR) == (0.5, 0.1, 0.01)


def test_a_lookup_takes_microseconds() -> None:
    rates = Rates(RatesFile.model_validate(FILE), 3, Path("x"))
    rounds = []
    for _ in range(5):
        begun = time.perf_counter()
        for _ in range(1000):
            rates(1, "banner", HOUR)
        rounds.append(time.perf_counter() - begun)
    assert min(rounds) / 1000 < 10e-6


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 2},
        {"all": [1.5, 0.1, 0.01]},
        {"all": [0.5, -0.1, 0.01]},
        {"all": [0.5, 0.1]},
        {"source": {"x": [0.5, 0.1, 0.01]}},
        {"cells": [{"source": 1, "format": "hologram", "hour": 5, "rate": [0.5, 0.1, 0.01]}]},
        {"cells": [{"source": 1, "format": "video", "hour": 24, "rate": [0.5, 0.1, 0.01]}]},
        {"more": 1},
    ],
)
def test_a_file_that_holds_no_rates_is_named(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidPredictor, match=r"x\.json.*fit-predictor"):
        RatesFile.load(written(tmp_path / "x.json", **changes))
    with pytest.raises(InvalidPredictor, match="fit-predictor"):
        RatesFile.load(tmp_path / "nowhere.json")


def test_rates_of_more_sources_than_are_told_apart_are_refused() -> None:
    with pytest.raises(InvalidPredictor, match="--sources 2"):
        Rates(RatesFile.model_validate(FILE), 2, Path("x"))


# --- while it serves ---------------------------------------------------------------------------


@pytest.fixture
def apps(
    bundle_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[ExchangeApp, AdminApp]]:
    monkeypatch.setenv("BIDPILOT_ADMIN_TOKEN", TOKEN)
    config = ServeConfig(
        bundle=bundle_folder, state=tmp_path / "state", predictor_file=written(tmp_path / "rates.json")
    )
    with open_bidder(config, ManualClock(20_000 * DAY + HOUR * 3600)) as bidder:
        yield applications(bidder, config, "http://x")


def offered(app: ExchangeApp) -> float:
    return float(only_bid(ask(app, body=request({"id": "1", "video": {}})).body)["price"])


def test_rates_are_renewed_at_once_and_kept_where_the_new_ones_cannot_be_used(
    apps: tuple[ExchangeApp, AdminApp], tmp_path: Path
) -> None:
    app, admin = apps
    assert admin.refresh is not None
    app.reader.sources.given(0)
    before = offered(app)
    asyncio.run(admin.refresh.begin(written(tmp_path / "more.json", all=[0.5, 0.3, 0.02])))
    after = offered(app)
    assert after > 1.5 * before
    for bad in ({"version": 9}, {"sources": 10_000}):
        with pytest.raises(InvalidPredictor):
            asyncio.run(admin.refresh.begin(written(tmp_path / "bad.json", **bad)))
        assert offered(app) == after
    assert app.bidder.event_counts()[Cause.predictor_swapped] == 1
    assert app.bidder.event_counts()[Cause.predictor_refused] == 2
    written(tmp_path / "more.json")  # the same path, with what it held at first
    asyncio.run(admin.refresh.again())
    assert offered(app) == before
    (tmp_path / "more.json").write_text("{")
    asyncio.run(admin.refresh.again())
    assert offered(app) == before


def test_the_administration_tells_and_renews_the_rates(apps: tuple[ExchangeApp, AdminApp], tmp_path: Path) -> None:
    app, admin = apps
    before = offered(app)

    def order(method: str, body: Any = None) -> Any:
        return ask(admin, "/admin/predictor", body=body, method=method, token=TOKEN)

    assert (order("GET").status, order("GET").body["rates"]["wins"]) == (200, 100)
    other = written(tmp_path / "other.json", all=[0.5, 0.3, 0.02], wins=7)
    assert (found := order("POST", {"path": str(other)})).status == 200
    assert found.body["rates"]["wins"] == 7
    assert found.body["counts"] == {"built_in": 1}
    assert offered(app) > before
    assert order("POST", {"path": str(tmp_path / "none")}).status == 400
    assert order("POST", {"file": "x"}).status == 400
    assert order("DELETE").status == 405
    assert b'bidpilot_predictions_total{result="built_in"} 2.0' in admin.metrics.text()


def test_a_hangup_reads_the_file_anew(apps: tuple[ExchangeApp, AdminApp], tmp_path: Path) -> None:
    _, admin = apps
    refresh = admin.refresh
    assert refresh is not None

    async def hang_up() -> None:
        reload(asyncio.get_running_loop(), None, refresh)
        written(tmp_path / "rates.json", wins=8)
        os.kill(os.getpid(), signal.SIGHUP)
        for _ in range(200):
            if refresh.state()["rates"]["wins"] == 8:
                break
            await asyncio.sleep(0.01)

    asyncio.run(hang_up())
    assert refresh.state()["rates"]["wins"] == 8


def test_without_a_file_a_hangup_changes_nothing(bundle_folder: Path, tmp_path: Path) -> None:
    config = ServeConfig(bundle=bundle_folder, state=tmp_path)
    with open_bidder(config, ManualClock(20_000 * DAY)) as bidder:
        refresh = applications(bidder, config, "http://x")[1].refresh
        assert refresh is not None
        asyncio.run(refresh.again())
        assert refresh.state()["rates"] is None
