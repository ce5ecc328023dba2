"""`bidpilot fit-predictor`: from a decision log to rates that a server reads, judged on days that are new to them."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from bidpilot.bidding.errors import EmptyLog, InvalidConfig, MissingColumn, NotALog
from bidpilot.bidding.kpi import KPI
from bidpilot.bidding.watch.alarm import Risk
from bidpilot.envs.logs.importers import run_import
from bidpilot.envs.logs.storage import save_log
from bidpilot.envs.logs.won import SCHEMA, read_won, won_of
from bidpilot.serving.incidents.incident import Action, Incident, Level, Step, Target
from bidpilot.serving.prediction.rates import Rates, RatesFile
from bidpilot.training.predictor.calibration import judge
from bidpilot.training.predictor.config import FitPredictorConfig
from bidpilot.training.predictor.rates import rates_of
from bidpilot.training.predictor.run import run
from bidpilot.training.predictor.tallies import tallies
from bidpilot.training.report.predictor import calibration_figure
from bidpilot.training.tracking import download
from bidpilot.training.tracking.find import latest_finished_run
from tests.training.predictor.served_days import FORMATS, at, date, drawn, write
from tests.training.small_logs import small_log

ROWS: list[dict[str, Any]] = [
    {"key": "a", "source": 3, "format": "video", "time": at(0, 5)},
    {"key": "b", "source": 3, "format": "banner", "time": at(1, 23) + 3599},
    {"key": "lost", "source": 1, "format": "video", "time": at(0, 5), "result": "lost"},
    {"key": "expired", "source": 1, "format": "video", "time": at(0, 6), "result": "expired"},
    {"key": "", "source": 0, "format": "video", "time": at(0, 7), "result": "no_money"},
]
TOLD = [
    ("a", "view", 0.0, 0.0),
    ("a", "like", 2.0, 0.0),
    ("a", "like", 9.0, 0.0),  # told again
    ("b", None, 1.5, 1.0),  # untyped
    ("b", "convert", 0.0, 1.0),
    ("lost", "like", 5.0, 1.0),
    ("expired", "like", 5.0, 1.0),
]


# --- outcomes ----------------------------------------------------------------------------------


def test_outcomes_are_of_exposures_that_were_won_and_billed_each_type_once(tmp_path: Path) -> None:
    won = read_won([write(tmp_path, ROWS, TOLD)])
    assert won.schema == SCHEMA
    told = won.select("date", "source", "format", "hour", "viewed", "interacted", "converted").rows()
    assert told == [(date(0), 3, "video", 5, 1.0, 2.0, 0.0), (date(1), 3, "banner", 23, 0.0, 1.5, 2.0)]


def test_an_import_keeps_them_beside_the_log(tmp_path: Path) -> None:
    decisions = write(tmp_path / "decisions", ROWS, TOLD)
    run_import("decisions", [decisions], tmp_path / "log")
    assert won_of(tmp_path / "log").equals(won_of(decisions))
    run_import("decisions", [write(tmp_path / "more", ROWS[:1], TOLD)], tmp_path / "log", force=True)
    assert won_of(tmp_path / "log").height == 1


def test_a_server_of_before_logged_neither_formats_nor_types(tmp_path: Path) -> None:
    write(tmp_path, ROWS, TOLD)
    decisions, outcomes = tmp_path / "decisions-1-000001.parquet", tmp_path / "outcomes-1-000001.parquet"
    pl.read_parquet(decisions).drop("format").write_parquet(decisions)
    pl.read_parquet(outcomes).drop("event").write_parquet(outcomes)
    won = read_won([tmp_path])
    assert won["format"].to_list() == ["", ""]
    assert won["interacted"].to_list() == [0.0, 1.5]  # one of each bid, as nothing tells repetitions apart


def test_an_altered_file_and_a_log_of_no_server_are_named(tmp_path: Path) -> None:
    save_log(small_log("other", "interaction", "conversion", units=2, auctions=5), tmp_path / "log")
    with pytest.raises(NotALog, match="no bid server"):
        won_of(tmp_path / "log")
    write(tmp_path / "d", ROWS, TOLD)
    path = tmp_path / "d" / "decisions-1-000001.parquet"
    pl.read_parquet(path).drop("source").write_parquet(path)
    with pytest.raises(MissingColumn, match="source"):
        won_of(tmp_path / "d")


# --- rates -------------------------------------------------------------------------------------


def test_rates_come_near_the_truth_and_where_no_view_is_told_exposure_is_as_predicted(tmp_path: Path) -> None:
    true = drawn(tmp_path, days=4, exposures=4000)
    won = read_won([tmp_path])
    found = tallies(won, viewed=True)
    file = rates_of(found, [date(k) for k in range(4)])
    cells = list(zip(found.source.tolist(), found.format, found.hour.tolist(), strict=True))
    rates = Rates(file, 6, tmp_path)
    learned = np.array([rates(*cell) for cell in cells])
    real = np.array([true[source, FORMATS.index(form), hour] for source, form, hour in cells])
    n = found.count
    of_counts = np.average((found.total[:, 1] / n - real) ** 2, weights=n)
    assert np.average((learned[:, 1] - real) ** 2, weights=n) < 0.6 * of_counts
    assert file.all[0] == pytest.approx(0.6, abs=0.02)
    assert file.all[2] < 1e-3  # none was told of, and one was expected in fifty
    assert rates_of(tallies(won, viewed=False), [date(0)]).all[0] == pytest.approx(0.5, abs=1e-3)


def test_the_judgement_counts_what_was_expected_and_brought(tmp_path: Path) -> None:
    """One cell whose rate is known: three exposures that brought 0, 1 and 3 interactions, of which 1 was expected."""
    rows = [{"key": k, "source": 0, "format": "video", "time": at(0, 5), "interaction": 2.0} for k in "abc"]
    write(tmp_path, rows, [("b", "like", 1.0, 0.0), ("c", "like", 3.0, 0.0)])
    file = RatesFile.model_validate(
        {"sources": 1, "days": 1, "first": "x", "last": "x", "wins": 1, "strength": {}, "all": [0.5, 1.0, 0.0],
         "source": {}, "cells": []}
    )  # fmt: skip
    _, row, conversion = judge(Rates(file, 1, tmp_path), tallies(read_won([tmp_path]), viewed=False))
    assert (row["kpi"], row["exposures"], row["expected"], row["brought"]) == (KPI[1], 3, 3.0, 4.0)
    assert row["ratio"] == pytest.approx(4 / 3)
    assert row["ratio_before"] == pytest.approx(4 / 6)
    assert row["slope"] is None
    assert row["error"] == pytest.approx((1 + 0 + 4) / 3)
    assert row["error_of_all"] == row["error"]
    (one,) = row["bins"]
    assert (one["count"], one["expected"]) == (3, 1.0)
    assert one["brought"] == pytest.approx(4 / 3)
    assert one["high"] - one["brought"] == pytest.approx(1.96 * (10 - 16 / 3) ** 0.5 / 3)
    assert conversion["ratio"] is None
    assert conversion["bins"][0]["high"] == pytest.approx(1.96 / 3)
    assert calibration_figure([row, conversion], "x").axes


# --- the command -------------------------------------------------------------------------------


def test_the_command_learns_judges_draws_and_writes(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drawn(project / "decisions", days=5, exposures=1500)
    out, files = project / "out" / "predictor.json", {"json": project / "c.json", "figure": project / "c.svg"}
    judged = run(FitPredictorConfig.model_validate({"log": project / "decisions", "out": out, "held_out": 2, **files}))
    assert json.loads(files["json"].read_text()) == judged
    assert b"<svg" in files["figure"].read_bytes()
    interaction = judged[1]
    assert (interaction["kpi"], interaction["exposures"]) == ("interaction", 3000)
    assert interaction["low"] is not None
    assert interaction["high"] is not None
    assert interaction["low"] < 1 < interaction["high"]
    assert interaction["error"] < interaction["error_of_all"]
    file = RatesFile.load(out)  # of all days
    assert (file.days, file.first, file.last, file.wins) == (5, date(0), date(4), 7500)
    text = capsys.readouterr().out
    assert "calibration on its last 2 days" in text
    assert f"--predictor-file {out}" in text
    stored = latest_finished_run("predictor", experiment="bidpilot")
    assert json.loads(download(stored.run_id, "calibration.json").read_text()) == judged
    assert download(stored.run_id, "figures/calibration.png").is_file()
    assert RatesFile.load(download(stored.run_id, "predictor.json")) == file


def test_what_lay_under_an_incident_teaches_nothing(project: Path) -> None:
    """The server tells of one that lay over the second day, beside its decisions or in a folder that is named."""
    log = write(project / "troubled", ROWS, [])
    incident = Incident(
        id="shock",
        risk=Risk.platform_shock,
        campaign="c",
        target=Target(kind="campaign"),
        day=datetime.date.fromisoformat(date(1)),
        slot=10,
        level=Level.throttle,
        steps=(Step(at=at(1, 5), action=Action.opened, level=Level.throttle),),
    )
    assert RatesFile.load(fitted(project, log)).wins == 2
    for folder in (log / "incidents", project / "named"):
        folder.mkdir()
    (project / "named" / "shock.json").write_text(incident.model_dump_json())
    assert RatesFile.load(fitted(project, log, incidents=project / "named")).wins == 1
    (log / "incidents" / "shock.json").write_text(incident.model_dump_json())
    assert RatesFile.load(fitted(project, log)).wins == 1
    assert RatesFile.load(fitted(project, log, keep_incident_slots=True)).wins == 2


def fitted(project: Path, log: Path, **given: Any) -> Path:
    run(FitPredictorConfig(log=log, out=project / "rates.json", held_out=0, **given))
    return project / "rates.json"


def test_of_one_day_nothing_is_judged_and_that_is_said(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [row | {"time": at(0, 5)} for row in ROWS]
    log = write(project / "one", rows, [])
    assert run(FitPredictorConfig(log=log, out=project / "one.json")) == []
    text = capsys.readouterr().out
    assert "nothing was held out" in text
    assert "no view was told" in text
    assert RatesFile.load(project / "one.json").wins == 2
    with pytest.raises(InvalidConfig, match="none of the log's 1 days"):
        run(FitPredictorConfig(log=log, out=project / "one.json", held_out=1))
    with pytest.raises(EmptyLog, match="nothing to learn"):
        run(FitPredictorConfig(log=write(project / "no", ROWS[2:], []), out=project / "one.json"))
