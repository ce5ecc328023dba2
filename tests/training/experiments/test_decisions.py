"""Units from decision logs: arms are campaigns, units are days that both were served."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from bidpilot.bidding.errors import InvalidExperiment, NoFilesMatched, UnreadableFile
from bidpilot.training.experiments.decisions import decision_units
from bidpilot.training.experiments.served import served_experiment

ROW: dict[str, Any] = {
    "key": "", "campaign": "old", "date": "2026-01-01", "exposure": 0.5, "interaction": 0.25, "conversion": 0.125,
    "result": "lost", "cost": 0.0, "market_price": 0.25,
}  # fmt: skip


def write(folder: Path, rows: list[dict[str, Any]], outcomes: list[tuple[str, float, float]] = ()) -> None:  # type: ignore[assignment]
    frame = pl.DataFrame([ROW | row for row in rows]).with_columns(pl.col("market_price").cast(pl.Float64))
    frame.write_parquet(folder / "decisions-1.parquet")
    told = pl.DataFrame(outcomes, ["key", "interaction", "conversion"], orient="row")
    if outcomes:
        told.write_parquet(folder / "outcomes-1.parquet")


def test_a_day_of_both_campaigns_is_a_unit(tmp_path: Path) -> None:
    rows = [
        {"campaign": campaign, "date": date, "key": f"{campaign} {date} {k}", "result": "won", "cost": 0.5}
        for campaign in ("old", "new")
        for date in ("2026-01-02", "2026-01-01")
        for k in range(3 if campaign == "old" else 5)
    ]
    rows += [{"campaign": "new", "date": "2026-01-03", "result": "won"}, {"campaign": "other"}, {}, {"campaign": "new"}]
    write(tmp_path, rows, [("old 2026-01-01 0", 2.0, 1.0), ("old 2026-01-01 0", 1.0, 0.0), ("gone", 9.0, 9.0)])
    units = decision_units(tmp_path, ("old", "new"))
    assert units.labels == ("2026-01-01", "2026-01-02")
    assert units.wins.tolist() == [[3.0, 5.0], [3.0, 5.0]]
    assert units.spend.tolist() == [[1.5, 2.5], [1.5, 2.5]]
    assert units.expected[0].tolist() == [[1.5, 0.75, 0.375], [2.5, 1.25, 0.625]]
    assert units.realised[0].tolist() == [[1.5, 2.0, 1.0], [2.5, 0.0, 0.0]]  # totals of a bid count once
    assert units.offered[0, :, 0].tolist() == [4.0, 6.0]  # the lost requests are among them
    assert units.known_offered == (0, 1, 2, 3, 4)
    assert units.offered[0, :, 2:].tolist() == [[0.25, 4.0, 1.0], [0.25, 6.0, 1.5]]  # price, bought, cost: all alike


def test_prices_are_no_covariate_where_some_were_not_told(tmp_path: Path) -> None:
    write(tmp_path, [{"campaign": c, "market_price": None if c == "new" else 1.0} for c in ("old", "new")])
    assert decision_units(tmp_path, ("old", "new")).known_offered == (0, 1)


def test_days_of_one_campaign_alone_are_told(tmp_path: Path) -> None:
    days = {"old": ["2026-01-01", "2026-01-02", "2026-01-03"], "new": ["2026-01-01", "2026-01-04"]}
    write(tmp_path, [{"campaign": c, "date": d} for c, dates in days.items() for d in dates])
    units = decision_units(tmp_path, ("old", "new"))
    assert units.labels == ("2026-01-01",)
    without_new, without_old = units.notes
    assert "2 days (2026-01-02 to 2026-01-03) are left out, as new has no auction" in without_new
    assert "1 days (2026-01-04) are left out, as old" in without_old


def test_logs_without_both_campaigns_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NoFilesMatched):
        decision_units(tmp_path, ("old", "new"))
    write(tmp_path, [{}])
    with pytest.raises(InvalidExperiment, match=r"no day of .* has both old and new; there is old"):
        decision_units(tmp_path, ("old", "new"))
    with pytest.raises(InvalidExperiment, match="--arms CAMPAIGN CAMPAIGN"):
        decision_units(tmp_path, ())


def describe(folder: Path, *arms: tuple[str, float], name: str = "x", control: str = "control") -> None:
    """What a server writes beside its log."""
    told = [{"name": a, "share": share, "run": f"run of {a}", "agent": "mpc", "digest": ""} for a, share in arms]
    (folder / f"experiment-{name}.json").write_text(json.dumps({"name": name, "control": control, "arms": told}))


def served_rows(days: int = 16) -> list[dict[str, Any]]:
    """Days of an experiment in which the treated arm wins more, of campaigns of other names."""
    return [
        {
            "campaign": f"{campaign}.{arm}", "experiment": "x", "arm": arm, "date": f"2026-01-{day + 1:02}",
            "key": f"{campaign}{arm}{day}{k}", "result": "won", "cost": 0.5,
        }
        for campaign in ("spring", "autumn")
        for arm, wins in (("control", 4), ("new", 6))
        for day in range(days)
        for k in range(wins + (day + len(arm)) % 2)
    ]  # fmt: skip


def test_arms_of_a_served_experiment_are_read_by_its_rows(tmp_path: Path) -> None:
    outside: list[dict[str, Any]] = [
        {"campaign": "spring.new", "experiment": None, "arm": None, "result": "won", "date": "2026-01-01"},
        {"campaign": "other", "experiment": "y", "arm": "new", "result": "won", "date": "2026-01-01"},
    ]
    write(tmp_path, [*served_rows(), *outside])
    pl.DataFrame([ROW]).write_parquet(tmp_path / "decisions-0.parquet")  # of a version that served none
    describe(tmp_path, ("new", 0.2), ("control", 0.6), ("third", 0.2))
    served = served_experiment(tmp_path)
    units = decision_units(tmp_path, ("control", "new"), served=served)
    assert units.arms == ("control", "new")
    assert units.shares == pytest.approx((0.75, 0.25))
    assert units.wins[0].tolist() == [10.0, 14.0]  # of both campaigns, and of the experiment alone
    with pytest.raises(InvalidExperiment, match="--arms CONTROL TREATED"):
        decision_units(tmp_path, (), served=served)
    with pytest.raises(InvalidExperiment, match="no arm 'blue'; there are new, control, third"):
        decision_units(tmp_path, ("control", "blue"), served=served)


def test_what_the_server_says_of_experiments_must_be_clear(tmp_path: Path) -> None:
    assert served_experiment(tmp_path) is None
    describe(tmp_path, ("new", 0.5), ("control", 0.5))
    with pytest.raises(InvalidExperiment, match="no experiment 'z'; there is x"):
        served_experiment(tmp_path, "z")
    describe(tmp_path, ("new", 0.5), ("control", 0.5), name="y")
    with pytest.raises(InvalidExperiment, match="--of NAME"):
        served_experiment(tmp_path)
    assert served_experiment(tmp_path, "y") is not None
    (tmp_path / "experiment-y.json").write_text("{")
    with pytest.raises(InvalidExperiment, match="cannot be read"):
        served_experiment(tmp_path, "y")
    write(tmp_path, [{}])
    with pytest.raises(InvalidExperiment, match="no row"):
        decision_units(tmp_path, (), served=served_experiment(tmp_path, "x"))
    (tmp_path / "decisions-2.parquet").write_text("nothing")
    with pytest.raises(UnreadableFile, match="cannot be read"):
        decision_units(tmp_path, (), served=served_experiment(tmp_path, "x"))
