"""`bidpilot simulate`: one command from a campaign's file to rows, pictures and held-out coverage."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.errors import InfeasibleCampaign, InvalidConfig
from bidpilot.envs.logs.storage import save_log
from bidpilot.envs.markets.defaults import synthetic_forecast
from bidpilot.solvers.allocation import allocate
from bidpilot.training.simulate.config import SimulateConfig
from bidpilot.training.simulate.run import run
from bidpilot.training.tracking import download, find_run, latest_finished_run
from tests.training.evaluation.conftest import SMALL
from tests.training.small_logs import small_log

EXAMPLES = Path(__file__).parents[3] / "examples"


def simulate(**settings: object):  # type: ignore[no-untyped-def]
    return run(SimulateConfig.model_validate(settings))


@pytest.mark.usefixtures("small", "project")
def test_simulating_a_campaign_is_one_tracked_run_whose_intervals_hold(
    tmp_path: Path, campaign_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, figure = tmp_path / "out.json", tmp_path / "figure.png"
    settings = {"days": 40, "check": True, "checks": 1, "check_days": 56, "json": out, "figure": figure}
    found = simulate(file=campaign_file, budgets=(-0.3,), rates=(0.1,), **settings)
    assert json.loads(out.read_text()) == json.loads(json.dumps(found))
    assert figure.stat().st_size > 1000
    rows = {(row["scenario"], row["metric"]): row for row in found["scenarios"]}
    assert rows["as it is", "spend"]["change"] is None
    assert rows["budget -30%", "conversion"]["change_95"][1] < 0
    assert rows["rates +10%", "conversion"]["change"] > 0.05
    for row in rows.values():
        for kind in ("mean", "day"):
            narrow, wide = row[f"{kind}_80"], row[f"{kind}_95"]
            assert wide is None or wide[0] <= narrow[0] <= narrow[1] <= wide[1]
    for kind in ("one day", "mean", "change"):
        for level in (0.8, 0.95):
            here = [row for row in found["coverage"] if row["kind"] == kind and row["level"] == level]
            assert np.mean([row["covered"] for row in here]) == pytest.approx(
                level, abs=0.1 if kind == "one day" else 0.2
            )
    stored = latest_finished_run("simulate")
    assert json.loads(download(stored.run_id, "simulated.json").read_text()) == json.loads(out.read_text())
    assert download(stored.run_id, "figures/what_if.png").exists()
    assert find_run(stored.run_id).params["campaign.conversion_value"] == "12.0"
    text = capsys.readouterr().out
    assert "what if" in text
    assert "held-out days of daily" in text


@pytest.mark.usefixtures("small", "project")
def test_a_check_that_cannot_plan_a_scenario_loses_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The floor is nearly the most that the forecast of seed 0 can bring: other days bring less of it, or more."""
    campaign = Campaign(budget=4.0, conversion_value=12.0, kpi_floors=(0.0, 0.0, 1e4))
    with pytest.raises(InfeasibleCampaign) as caught:
        allocate(synthetic_forecast(SMALL, 0), campaign)
    (most,) = [c.needed for c in caught.value.conflicts if c.name == "floor/conversion"]
    file = tmp_path / "spring.yaml"
    told = {"budget": 4.0, "conversion_value": 12.0, "kpi_floors": [0.0, 0.0, 0.97 * float(most or 0.0)]}
    file.write_text(yaml.safe_dump({"market": "daily", "campaign": told}))
    found = simulate(file=file, days=16, check=True, checks=3, check_days=28, budgets=(), targets=(), rates=(0.1,))
    checks = [name for name in found["left_out"] if name.startswith("as it is of check")]
    assert 0 < len(checks) < 3
    assert {row["of"] for row in found["checks"] if row["kind"] == "one day"} == {28 * (3 - len(checks))}
    assert checks[0] in capsys.readouterr().out


@pytest.mark.usefixtures("project")
def test_a_log_is_simulated_on_its_own_days_and_checked_by_folds(tmp_path: Path) -> None:
    save_log(small_log("shop", "conversion", units=6), tmp_path / "log")
    file = tmp_path / "c.yaml"
    file.write_text("log: log\ncampaign: {budget: 5.0, conversion_value: 2.0, preference: [0, 0, 1]}\n")
    found = simulate(file=file, check=True, checks=2, budgets=(0.2,), rates=())
    spend = next(row for row in found["scenarios"] if row["metric"] == "spend")
    assert 0 < spend["mean"] <= 5.0
    assert {row["scenario"] for row in found["scenarios"]} == {"as it is", "budget +20%", "more exposure"}
    days = [row for row in found["checks"] if row["kind"] == "one day" and row["level"] == 0.95]
    assert {row["of"] for row in days} == {6}  # each day was held out once
    assert sum(row["covered"] for row in days) / sum(row["of"] for row in days) > 0.7
    save_log(small_log("short", "conversion", units=3), tmp_path / "short")
    with pytest.raises(InvalidConfig, match="3 that share nothing"):
        simulate(file=file, log=tmp_path / "short", check=True)


@pytest.mark.usefixtures("small", "project")
def test_a_scenario_without_a_plan_is_left_out_and_a_campaign_without_one_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "floor.yaml"
    terms = "budget: {}, conversion_value: 12.0, preference: [0, 0, 1], kpi_floors: [0, 0, {}]"
    file.write_text(f"campaign: {{{terms.format(4.0, 0.5)}}}\n")
    settings = {"file": file, "days": 8, "rates": (), "toward": 0.01}
    found = simulate(**settings, budgets=(-0.9, 0.1))
    assert {row["scenario"] for row in found["scenarios"] if row["group"] == "budget"} == {"budget +10%"}
    assert "left out, since no plan keeps their constraints: budget -90%" in capsys.readouterr().out
    file.write_text(f"campaign: {{{terms.format(0.4, 0.5)}}}\n")
    with pytest.raises(InfeasibleCampaign):
        simulate(**settings, budgets=())


def test_a_portfolio_is_refused() -> None:
    with pytest.raises(InvalidConfig, match="portfolio"):
        simulate(file=EXAMPLES / "portfolio.yaml")
