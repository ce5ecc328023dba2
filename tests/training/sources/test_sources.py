"""`bidpilot sources`: a burst in a recorded log is named, with why, what it cost, and a picture."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from bidpilot.bidding.errors import ForecastMismatch, InvalidLog
from bidpilot.envs.logs.auction_log import AuctionLog
from bidpilot.envs.logs.storage import SET_ASIDE_FILE, save_log
from bidpilot.training.evaluation.suites import log_arena
from bidpilot.training.report.sources import source_map
from bidpilot.training.setting.setting import recorded_setting
from bidpilot.training.sources.config import SourcesConfig
from bidpilot.training.sources.review import check_sources
from bidpilot.training.sources.run import run
from bidpilot.training.tracking import download
from bidpilot.training.tracking.find import latest_finished_run
from tests.training.small_logs import small_log

AUCTIONS, SOURCES, BAD = 60, 8, 5
BURST = slice(20, 28)  # slots of the third day


pytestmark = pytest.mark.usefixtures("own_store")


def with_burst(marked: bool = True) -> AuctionLog:
    """Six days of eight sources alike; on the third, source 5 sends most of eight slots, and nothing of it is valid."""
    log = small_log("burst", "interaction", "conversion", units=6, auctions=AUCTIONS)
    source = (np.arange(log.n) % SOURCES).astype(np.int16)
    invalid = np.zeros(log.n, np.bool_)
    for t in range(BURST.start, BURST.stop):
        first = log.offsets[2, t]
        invalid[first : first + 50] = True
    source[invalid] = BAD
    return replace(
        log,
        source=source,
        sources=SOURCES,
        invalid=invalid if marked else np.zeros_like(invalid),
        true_interaction=np.where(invalid, 0, log.interaction).astype(np.float32),
        true_conversion=np.where(invalid, 0, log.conversion).astype(np.float32),
    )


def test_a_burst_is_named_with_its_cost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = with_burst()
    save_log(log, tmp_path / "log")
    files = {"json": tmp_path / "out" / "review.json", "figure": tmp_path / "out" / "map.png"}
    found = run(SourcesConfig.model_validate({"log": tmp_path / "log", **files}))
    assert json.loads(files["json"].read_text()) == found
    assert files["figure"].stat().st_size > 1000
    top = found["sources"][0]
    assert (top["day"], top["source"]) == ("day 2", BAD)
    assert BURST.start <= (top["first_refused"] or 0) < BURST.start + 2
    assert top["invalid"] == 8 * 50
    assert top["refused"] > 0.5 * 8 * 50
    assert found["saved"] == pytest.approx(sum(row["saved"] for row in found["sources"]))
    assert 0 < found["saved"] <= found["spend_unfiltered"]
    without, behind = found["invalid_spend_unfiltered"], found["invalid_spend"]
    assert without is not None
    assert behind is not None
    assert behind < 0.5 * without
    assert found["kpis_per_currency"][1] > found["kpis_per_currency_unfiltered"][1]
    text = capsys.readouterr().out
    assert "its own, all days under review" in text
    assert "what would clear it" in text
    assert "drawn from its predictions, and prove nothing" in text
    stored = latest_finished_run("sources", experiment="bidpilot")
    assert json.loads(download(stored.run_id, "sources.json").read_text()) == found
    assert download(stored.run_id, "figures/sources.png").is_file()


def test_a_log_that_marks_nothing_as_invalid_has_no_spend_on_it(tmp_path: Path) -> None:
    save_log(with_burst(marked=False), tmp_path / "log")
    found = run(SourcesConfig(log=tmp_path / "log"))
    assert (found["invalid_spend"], found["invalid_spend_unfiltered"]) == (None, None)
    assert found["sources"][0]["invalid"] is None
    assert found["saved"] > 0


def test_what_the_bid_server_refused_is_told_beside_by_source_and_slot(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a decision log: it is no part of the requests that are reviewed."""
    save_log(with_burst(marked=False), tmp_path / "log")
    plain = run(SourcesConfig(log=tmp_path / "log"))
    assert plain["by_server"] is None
    aside = [(2, 21, "refused_quota")] * 3 + [(2, 20, "refused_source")] * 2 + [(7, 0, "refused_quota")]
    rows = pl.DataFrame([*aside, (2, 20, "lost")], ["source", "slot", "result"], orient="row")
    rows.with_columns(reason=pl.lit("for whatever")).write_parquet(tmp_path / "log" / SET_ASIDE_FILE)
    capsys.readouterr()
    found = run(SourcesConfig(log=tmp_path / "log", top=1))
    assert found["by_server"] == [
        {"source": 2, "slot": 20, "refused": 2},
        {"source": 2, "slot": 21, "refused": 3},
        {"source": 7, "slot": 0, "refused": 1},
    ]
    assert found["sources"] == plain["sources"]
    text = capsys.readouterr().out
    assert "the bid server refused 6 requests beside, which the log does not hold" in text
    assert "20: 2, 21: 3" in text
    assert "and 1 more sources, in the files" in text


def test_recorded_outcomes_are_replayed_and_said_to_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = with_burst()
    recorded = replace(log, interacted=log.true_interaction, converted=np.zeros(log.n, np.float32))
    save_log(recorded, tmp_path / "log")
    found = run(SourcesConfig(log=tmp_path / "log"))
    assert found["outcomes"] == "recorded"
    assert "drawn" not in capsys.readouterr().out


def test_a_log_of_one_source_is_refused_by_name(tmp_path: Path) -> None:
    save_log(small_log("one", "conversion"), tmp_path / "log")
    with pytest.raises(InvalidLog, match="one has one source for all of its auctions"):
        run(SourcesConfig(log=tmp_path / "log"))


def test_a_forecast_of_other_sources_is_refused() -> None:
    log = with_burst()
    forecast = recorded_setting(log).forecast
    check_sources(log, forecast)
    with pytest.raises(ForecastMismatch, match="tells 8 sources apart, burst has 9"):
        check_sources(replace(log, sources=SOURCES + 1), forecast)
    with pytest.raises(ForecastMismatch, match="tells 0 sources apart"):
        check_sources(log, replace(forecast, source_share=None))


def test_the_arena_of_a_log_has_its_detector() -> None:
    log = with_burst()
    setting = recorded_setting(log)
    assert log_arena(log, setting.forecast, setting.campaign).filtered


def test_a_served_days_map_shows_what_the_server_refused_first() -> None:
    refused, by_server = np.zeros((70, 4)), np.zeros((70, 4), np.int64)
    refused[68, 2], by_server[69, 1] = 0.5, 40
    figure = source_map(refused, np.zeros((70, 4)), np.ones((70, 4)), "map", by_server)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    image = figure.axes[titles.index("refused by the server, requests")].images[0].get_array()
    assert image is not None
    assert (image.shape, float(image[0, 1]), float(image.sum())) == ((64, 4), 40.0, 40.0)


def test_the_map_shows_the_most_refused_sources_first() -> None:
    refused = np.zeros((70, 4))
    refused[68, 2] = 0.5
    figure = source_map(refused, np.zeros((70, 4)), np.ones((70, 4)), "map")
    image = figure.axes[0].images[0].get_array()
    assert image is not None
    assert image.shape == (64, 4)
    assert float(image[0, 2]) == 0.5
    with pytest.raises(ValueError, match="suspicion"):
        source_map(refused, np.full((70, 4), np.nan), refused, "map")
