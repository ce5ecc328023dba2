"""`bidpilot weekly` on recorded and on served days."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from bidpilot.bidding import bundle as bundles
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.envs.logs.storage import save_log
from bidpilot.solvers.allocation import allocate
from bidpilot.training.cli import main
from bidpilot.training.roi.intervals import Verdict
from bidpilot.training.setting.setting import recorded_setting
from bidpilot.training.tracking import download, latest_finished_run
from bidpilot.training.weekly import run as weekly
from bidpilot.training.weekly.config import WeeklyConfig
from bidpilot.training.weekly.run import Week
from tests.training.served_log import write_served
from tests.training.small_logs import small_log

DAYS = 21


pytestmark = pytest.mark.usefixtures("one_store")


def hold(log: Path, **options: object) -> Week:
    return weekly.run(WeeklyConfig.model_validate({"log": log, **options}))


def served(folder: Path, lift: float) -> Path:
    """Three weeks; prices of the last are lower, so that its money buys `lift` as much more."""
    log = small_log("served", "interaction", "conversion", units=DAYS, auctions=6)
    last = np.arange(log.n) >= log.offsets[14, 0]
    price = (log.market_price / np.where(last, 1.0 + lift, 1.0)).astype(np.float32)
    return write_served(
        folder, replace(log, market_price=price), np.arange(log.n) % 2 == 0, 8.0 * (np.arange(log.n) % 40 == 0)
    )


def test_a_week_whose_money_bought_more_is_told_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figure = tmp_path / "week.png"
    folder = served(tmp_path / "decisions", 0.3)
    main(["weekly", str(folder), "--campaigns", "spring", "--json", "week.json", "--figure", str(figure)])
    record = json.loads(Path("week.json").read_text())
    found = record["comparison"]
    assert (found["days"][0], found["days"][-1], found["before"][-1]) == ("2026-03-15", "2026-03-21", "2026-03-14")
    assert found["utility"]["verdict"] == "more"
    assert found["utility"]["change"]["value"] == pytest.approx(0.3, abs=0.06)
    assert record["card"]["cost"] is None  # of served days without their bundle no plan is known
    names = [line["name"] for line in record["card"]["lines"]]
    assert names == ["pace"]
    assert figure.stat().st_size > 1000
    stored = latest_finished_run("week", experiment="bidpilot")
    assert json.loads(download(stored.run_id, "week.json").read_text()) == record
    assert stored.tags["told"] == found["told"]
    shown = capsys.readouterr().out
    assert "this week's money bought more than the week before's" in shown
    assert "more, better" in shown
    assert "spend over the day's budget" in shown
    assert "utility weighs exposure, interaction, conversion by 0 : 0 : 1: all on the last KPI" in shown
    assert shown.splitlines()[-1].startswith("next: bidpilot profiles propose")
    until = hold(folder, until="2026-03-14")
    assert until.comparison.utility.verdict is Verdict.unknown
    assert "there is no week before these two" in until.comparison.told


def test_of_too_few_days_the_table_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = served(tmp_path / "decisions", 0.0)
    rows = pl.read_parquet(folder / "decisions-1.parquet")
    some = [f"2026-03-{day:02d}" for day in (8, 9, 10, 15, 16, 17)]
    rows.filter(pl.col("date").is_in(some)).write_parquet(folder / "decisions-1.parquet")
    week = hold(folder, until="2026-03-17")
    assert not any(d.change.known for d in week.comparison.differences)
    assert "cannot be told: 3 pairs of days" in capsys.readouterr().out


def test_a_bundle_brings_limits_and_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = small_log("served", "interaction", "conversion", units=DAYS, auctions=6)
    forecast = recorded_setting(log).forecast
    campaign = Campaign(budget=5.0, conversion_value=2.0, max_cpa=3.0, preference=(0.0, 0.5, 0.5))

    bundled(campaign, forecast, monkeypatch)
    options = {"bundle": tmp_path, "profile": "conversion-first", "min_roi": 0.1}
    week = hold(served(tmp_path / "decisions", 0.0), **options)
    lines = {line.name: line for line in week.card.lines}
    assert {"ROI", "cost per conversion", "pace", "exposure", "interaction", "conversion"} < set(lines)
    assert lines["cost per conversion"].target == 3.0
    assert "bundle spring" in lines["conversion"].rule
    assert week.card.cost is not None
    assert 0.1 < week.card.cost < 1.2  # half of all auctions, whatever their price, is no good purchase
    assert week.card.efficiency == lines["utility per money"].score


def test_a_preference_is_named_with_whose_it_is(tmp_path: Path) -> None:
    folder = served(tmp_path / "decisions", 0.0)
    for options, told in (
        ({"profile": "conversion-first"}, "as profile conversion-first does"),
        ({"profile": "conversion-first", "preference": [0.0, 1.0, 0.0]}, "0 : 1 : 0: as --preference does"),
    ):
        assert any(note.endswith(told) for note in hold(folder, **options).comparison.notes)


class Manifest:
    """As much of a bundle's manifest as the week reads."""

    name = "spring"

    def __init__(self, campaign: Campaign) -> None:
        self.campaign = campaign


def bundled(campaign: Campaign, forecast: Forecast, monkeypatch: pytest.MonkeyPatch) -> None:
    made = bundles.Bundle(Manifest(campaign), forecast, None, {})  # type: ignore[arg-type]
    monkeypatch.setattr(weekly, "load_bundle", lambda folder: made)


def test_each_of_several_campaigns_is_planned_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two campaigns with 5 each buy what two plans of 5 do, and not what a plan of 10 would."""
    log = small_log("served", "conversion", units=DAYS, auctions=6)
    forecast = recorded_setting(log).forecast
    campaign = Campaign(budget=99.0, conversion_value=9.0, preference=(0.0, 0.0, 1.0))
    bundled(campaign, forecast, monkeypatch)
    folder = write_served(tmp_path / "decisions", log, np.arange(log.n) % 2 == 0, np.zeros(log.n))
    rows = pl.read_parquet(folder / "decisions-1.parquet")
    other = rows.with_columns(campaign=pl.lit("autumn"), key="b" + pl.col("key"))
    pl.concat([rows, other]).write_parquet(folder / "decisions-1.parquet")
    week = hold(folder, bundle=tmp_path)
    line = next(line for line in week.card.lines if line.name == "conversion")
    alone = allocate(forecast, campaign.model_copy(update={"budget": 5.0, "conversion_value": 2.0}))
    pooled = allocate(forecast, campaign.model_copy(update={"budget": 10.0, "conversion_value": 2.0}))
    costs = [float(plan.spend.sum() / plan.kpi[2]) for plan in (alone, pooled)]
    assert costs[1] > 1.02 * costs[0]
    assert line.target == pytest.approx(costs[0], rel=1e-6)
    assert "(2 campaigns, each planned by itself) over the actual one" in line.rule


def test_a_bundles_campaign_is_asked_for_on_a_recorded_log_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = small_log("recorded", "interaction", "conversion", units=14, auctions=6)
    save_log(log, tmp_path / "log")
    asked = Campaign(budget=99.0, max_cpa=3.0, preference=(0.0, 1.0, 0.0), auction="first")
    bundled(asked, recorded_setting(log).forecast, monkeypatch)
    week = hold(tmp_path / "log", bundle=tmp_path)
    lines = {line.name: line for line in week.card.lines}
    assert lines["cost per conversion"].target == 3.0
    assert "conversion" not in lines  # it has no weight
    assert any(note.endswith("by 0 : 1 : 0: as bundle spring does") for note in week.comparison.notes)
    assert any("by mpc at first price, under the forecast of bundle spring" in n for n in week.comparison.notes)
    assert lines["pace"].value.value is not None
    assert lines["pace"].value.value <= 1.0  # of the days' own budgets of 5


def test_a_recorded_log_is_played(tmp_path: Path) -> None:
    log = small_log("recorded", "interaction", "conversion", units=14, auctions=6)
    save_log(log, tmp_path / "log")
    week = hold(tmp_path / "log", preference=[0.0, 0.5, 0.5])
    assert week.comparison.days == tuple(f"unit {k}" for k in range(7, 14))
    ratio = next(line for line in week.card.lines if line.name == "R / R*")
    assert ratio.score is not None
    assert 0.6 < ratio.score <= 1.0
    assert week.card.efficiency == ratio.score
    assert week.card.cost == pytest.approx(1.0, abs=0.25)
    assert any("played on the recorded days by mpc at second price" in note for note in week.comparison.notes)
