"""`bidpilot ab`: one path from past days to a verdict, and the bars of the analysis, small.

The bars in their whole size are `bidpilot ab simulate`.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bidpilot.training.experiments import plan, run, simulate
from bidpilot.training.experiments.config import AnalyseConfig, PlanConfig, RunConfig, SimulateConfig
from bidpilot.training.experiments.simulate import EQUAL, HARM, LATE, ONCE, PEEKED, SEQUENCE, SPLIT
from bidpilot.training.tracking import download
from bidpilot.training.tracking.find import latest_finished_run
from tests.training.experiments.test_decisions import describe, served_rows, write


@pytest.mark.usefixtures("_small_suite", "project")
def test_the_path_from_plan_to_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    past, units = tmp_path / "past.json", tmp_path / "out" / "units.parquet"
    planned = plan.run(PlanConfig(days=40, out=past, effect=0.1))
    by_metric = {(row["design"], row["metric"]): row for row in planned}
    paired = by_metric["split", "expected KPI, less covariates"]
    assert paired["std"] < by_metric["split", "expected KPI"]["std"] < by_metric["split", "realised KPI"]["std"]
    assert paired["std"] < by_metric["switchback", "expected KPI, less covariates"]["std"]
    assert paired["days"] is not None
    assert paired["median_days"] is not None
    assert paired["median_days"] <= paired["days"]
    assert paired["least_effects"] == sorted(paired["least_effects"], reverse=True)  # type: ignore[type-var]
    read = plan.run(PlanConfig(past=past, effect=0.1))
    assert read == planned[:3]
    figure, rows = tmp_path / "path.png", tmp_path / "found.json"
    settings = {"arms": ("constant", "mpc"), "days": 20, "past": past, "out": units, "figure": figure, "json": rows}
    played = run.run(RunConfig.model_validate(settings))
    assert played["verdict"] == "won"
    assert json.loads(rows.read_text()) == [played]
    assert figure.stat().st_size > 1000
    again = run.run_analyse(AnalyseConfig(rows=units, past=past))
    assert again == played
    turned = run.run_analyse(AnalyseConfig(rows=units, past=past, arms=("mpc", "constant")))
    assert turned["verdict"] in ("lost", "stopped for harm")
    stored = latest_finished_run("experiment", experiment="bidpilot")
    assert json.loads(download(stored.run_id, "experiment.json").read_text()) == [turned]
    assert stored.tags["verdict"] == turned["verdict"]
    shown = capsys.readouterr().out
    assert f"verdict after {played['after']} units: won" in shown
    assert f"units written to {units}" in shown


@pytest.mark.usefixtures("project")
def test_experiments_keep_their_bars_and_peeked_tests_do_not(tmp_path: Path) -> None:
    rows_file, figure = tmp_path / "rows.json", tmp_path / "figure.png"
    settings = {"experiments": 400, "pool": 200, "json": rows_file, "figure": figure}
    rows = simulate.run(SimulateConfig.model_validate(settings))
    assert json.loads(rows_file.read_text()) == rows
    assert figure.stat().st_size > 1000
    found = {(row["method"], row["truth"]): row for row in rows}
    assert found[SEQUENCE, EQUAL]["found"] <= 0.05
    assert found[SEQUENCE, "+2%"]["found"] > 0.99
    assert found[SEQUENCE, "+2%"]["median"] is not None
    assert found[SEQUENCE, "+2%"]["median"] <= 15
    assert found[SPLIT, "50% of users"]["found"] <= 0.01
    assert found[SPLIT, "51% of users"]["found"] > 0.99
    assert all(row["met"] for row in rows if row["bar"] is not None)
    assert sum(row["bar"] is not None for row in rows) == 3
    assert found[PEEKED, EQUAL]["found"] > 0.22
    assert found[PEEKED, EQUAL]["found"] > found[LATE, EQUAL]["found"] > 0.15
    assert found[ONCE, EQUAL]["found"] == pytest.approx(0.05, abs=0.03)
    assert found[HARM, EQUAL]["found"] <= 0.01
    assert found[HARM, "-10%"]["found"] > 0.5


@pytest.mark.usefixtures("project")
def test_the_verdict_names_the_bundles_of_the_arms(tmp_path: Path) -> None:
    write(tmp_path, served_rows())
    describe(tmp_path, ("new", 0.5), ("control", 0.5))
    row = run.run_analyse(AnalyseConfig(rows=tmp_path))
    assert (row["verdict"], row["control"], row["treated"], row["experiment"]) == ("won", "control", "new", "x")
    assert [bundle["run"] for bundle in row["bundles"]] == ["run of control", "run of new"]
    by_campaign = run.run_analyse(AnalyseConfig(rows=tmp_path, arms=("spring.control", "spring.new")))
    assert (by_campaign["experiment"], by_campaign["bundles"]) == (None, [])
