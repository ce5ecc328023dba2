"""`bidpilot solve` and `bidpilot pareto`: every example runs, and what it says of itself is true."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from bidpilot.training.cli import main
from bidpilot.training.tracking import download, find_run, latest_finished_run

EXAMPLES = Path(__file__).parents[3] / "examples"


pytestmark = pytest.mark.usefixtures("one_store")


def solved(name: str, *options: str, command: str = "solve") -> dict[str, Any]:
    out = Path("out.json")
    main([command, str(EXAMPLES / f"{name}.yaml"), "--json", str(out), *options])
    record: dict[str, Any] = json.loads(out.read_text())
    return record


def test_every_example_says_in_two_lines_what_it_shows() -> None:
    files = sorted(EXAMPLES.glob("*.yaml"))
    assert [f.stem for f in files] == ["balanced", "cpa", "infeasible", "portfolio", "tail", "train"]
    for file in files:
        assert file.read_text().startswith("# ")
        assert isinstance(yaml.safe_load(file.read_text()), dict)


def test_the_cpa_example_meets_its_target_and_is_one_tracked_run(capsys: pytest.CaptureFixture[str]) -> None:
    record = solved("cpa")
    spend = np.sum(record["spend"])
    assert spend / record["kpi"]["conversion"] == pytest.approx(3.0, rel=1e-6)
    assert spend < 40
    (dual,) = [d for d in record["duals"] if d["name"] == "max_cpa"]
    assert dual["utility_per_unit"] > 0
    text = capsys.readouterr().out
    assert "search" in text
    assert "max_cpa" in text
    run = find_run(latest_finished_run("solve").run_id)
    assert run.params["campaign.max_cpa"] == "3.0"


def test_typed_terms_stand_in_place_of_the_files_own_and_a_portfolio_refuses_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    record = solved("cpa", "--max-cpa", "2.5", "--scalarisation", "nash")
    assert np.sum(record["spend"]) / record["kpi"]["conversion"] == pytest.approx(2.5, rel=1e-6)
    assert record["campaign"]["scalarisation"] == "nash"
    assert record["campaign"]["budget"] == 40
    assert find_run(latest_finished_run("solve").run_id).params["campaign.max_cpa"] == "2.5"
    with pytest.raises(SystemExit):
        solved("portfolio", "--max-cpa", "2.5")
    assert "is a portfolio, whose campaigns each have terms of their own; got max_cpa" in capsys.readouterr().err


def test_the_tail_example_shows_half_and_keeps_its_cap_and_reserve() -> None:
    record = solved("tail")
    wins, spend = np.sum(record["wins"], axis=0), np.sum(record["spend"], axis=0)
    tail = np.array([s.endswith("/tail") for s in record["segments"]])
    feed = np.array([s.startswith("feed/") for s in record["segments"]])
    assert wins[tail].sum() / wins.sum() == pytest.approx(0.5, abs=1e-6)
    assert spend[feed].sum() == pytest.approx(15.0, rel=1e-6)
    assert spend.sum() == pytest.approx(38.0, rel=1e-6)
    assert record["beta"]["feed/tail"] > 0 > record["beta"]["feed/head"]


def test_the_balanced_example_gives_no_kpi_up_and_its_profile_makes_the_interactions(
    capsys: pytest.CaptureFixture[str],
) -> None:
    record = solved("balanced")
    share = [record["kpi"][k] / record["ideal"][k] for k in record["kpi"]]
    assert min(share) > 0.7
    assert record["campaign"]["preference"] == [0.2, 0.6, 0.2]
    assert "its weights make the market's interactions" in " ".join(capsys.readouterr().out.split())
    # deep interactions count for more than by the market's own weights
    assert record["ideal"]["interaction"] > 1.2 * solved("cpa")["ideal"]["interaction"]


def test_the_infeasible_example_ends_with_2_and_says_what_conflicts(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        solved("infeasible")
    assert caught.value.code == 2
    assert "no plan keeps max_cpa and floor/conversion together" in capsys.readouterr().err
    record = json.loads(Path("out.json").read_text())
    needed = {c["name"]: c["needed"] for c in record["conflicts"]}
    mended = yaml.safe_load((EXAMPLES / "infeasible.yaml").read_text())
    mended["campaign"]["kpi_floors"][2] = needed["floor/conversion"] * 0.999
    Path("mended.yaml").write_text(yaml.safe_dump(mended))
    main(["solve", "mended.yaml"])


def test_the_portfolio_example_spends_within_its_budget() -> None:
    pytest.importorskip("bidpilot.solvers.portfolio", reason="portfolios are not built here")
    record = solved("portfolio")
    terms = yaml.safe_load((EXAMPLES / "portfolio.yaml").read_text())
    spend = np.array(record["spend"])
    assert spend.shape[:2] == (len(terms["campaigns"]), terms["days"])
    assert spend.sum() <= terms["budget"] * (1 + 1e-6)
    search = record["channels"].index("search")
    assert spend[:, :, search].sum() <= terms["channel_caps"]["search"] * (1 + 1e-6)


def test_a_front_holds_the_ends_and_says_where_its_hypervolume_is_measured_from(
    capsys: pytest.CaptureFixture[str],
) -> None:
    record = solved("cpa", "--points", "4", command="pareto")
    assert record["reference_point"] == [0.0, 0.0, 0.0]
    assert 0 < record["hypervolume"] <= 1
    for kpi, end in record["ends"].items():
        assert end["share"][kpi] == max(p["share"][kpi] for p in record["points"])
    for entry in record["points"]:
        assert sum(entry["spend"].values()) <= 3.0 * entry["kpi"]["conversion"] * (1 + 1e-6)
    assert "most conversion" in capsys.readouterr().out
    assert latest_finished_run("pareto").run_id


def test_a_portfolio_has_no_front(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        solved("portfolio", command="pareto")
    assert caught.value.code == 2
    assert "a front is of one campaign" in capsys.readouterr().err


def written(tmp_path: Path, **terms: Any) -> str:
    path = tmp_path / "own.yaml"
    own = {"budget": 40, "conversion_value": 12, "preference": [0.2, 0.3, 0.5], **terms}
    path.write_text(yaml.safe_dump({"market": "daily", "campaign": own}))
    return str(path)


@pytest.mark.parametrize("command", ["solve", "pareto"])
def test_a_target_below_the_market_is_answered_with_what_would_do(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--points", "4"] if command == "pareto" else []
    main([command, written(tmp_path, max_cpa=0.05), "--json", "out.json", *options])
    record = json.loads(Path("out.json").read_text())
    assert record["nothing"].startswith(
        "nothing can be bought: max_cpa = 0.05 leaves no auction of the forecast; it begins"
    )
    assert record["nothing"] in capsys.readouterr().out
    if command == "solve":
        assert np.sum(record["spend"]) == record["utility"] == 0
    files = sorted(p.name for p in (download(latest_finished_run(command).run_id, "figures")).iterdir())
    assert files == (["front.png"] if command == "pareto" else ["duals.png", "spend.png"])


def test_a_shares_price_is_written_per_percentage_point(capsys: pytest.CaptureFixture[str]) -> None:
    (dual,) = [d for d in solved("tail")["duals"] if d["name"] == "min_tail_share"]
    assert (dual["step"], dual["step_name"]) == (0.01, "percentage point")
    assert dual["utility_per_step"] == pytest.approx(dual["utility_per_unit"] / 100)
    assert dual["money_per_step"] == pytest.approx(dual["money_per_unit"] / 100)
    assert "percentage point" in " ".join(capsys.readouterr().out.split())
