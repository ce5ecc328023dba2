"""The command: what a report may be of, what it says of each, and that it is found from the run's page."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from bidpilot.bidding.bundle import plan_entry
from bidpilot.bidding.errors import (
    InfeasibleCampaign,
    InvalidConfig,
    InvalidIncident,
    UnknownAgent,
    UnknownIncident,
    UnreadableFile,
)
from bidpilot.envs.logs.storage import save_log
from bidpilot.envs.markets.defaults import synthetic_forecast
from bidpilot.serving.privacy.keys import read_key
from bidpilot.serving.privacy.seal import write_sealed
from bidpilot.solvers.allocation import allocate
from bidpilot.training.evaluation.run import ROWS_FILE
from bidpilot.training.reporting.config import ReportConfig
from bidpilot.training.reporting.errors import NothingToReport, PlotlyMissing
from bidpilot.training.reporting.evidence import Evidence
from bidpilot.training.reporting.readers import of_decisions, of_log, of_run
from bidpilot.training.reporting.readers import planned as planned_room
from bidpilot.training.reporting.run import run, source_of
from bidpilot.training.reporting.sections import incidents, pace, weeks
from bidpilot.training.reporting.sections.catalogue import sections
from bidpilot.training.reporting.words import percent
from bidpilot.training.solve.config import SolveConfig
from bidpilot.training.solve.files import CampaignFile
from bidpilot.training.solve.forecast import Ground
from bidpilot.training.solve.run import run as solve
from bidpilot.training.tracking import download, finished_runs, open_run, resolve_run
from bidpilot.training.weekly.weighed import USUAL
from tests.serving.conftest import write_controller_bundle
from tests.training.evaluation.conftest import CAMPAIGN, SMALL
from tests.training.reporting.conftest import write_decisions, write_incidents
from tests.training.reporting.html import Page
from tests.training.small_logs import idle_run, small_log


@pytest.fixture(scope="module")
def log(project: Path) -> Path:
    save_log(small_log("small", "interaction", "conversion", units=5), project / "log")
    return project / "log"


@pytest.fixture(autouse=True)
def _not_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bidpilot.training.reporting.page.svg", lambda chart, place: f'<svg id="{place}"></svg>')


def told(out: Path) -> Page:
    return Page(out.read_text())


def headings(page: Page) -> str:
    return " ".join(page.text.split())


def test_a_report_of_decisions_is_an_artifact_of_a_run_of_its_own(project: Path, decisions: Path) -> None:
    out = run(ReportConfig(source=str(decisions), out=project / "made" / "served.html", points=0))
    (kept,) = finished_runs("report")
    assert kept.tags["report"] == "report/served.html"
    assert download(kept.run_id, "report/served.html").read_bytes() == out.read_bytes()
    assert told(out).outside == []


def test_a_report_of_a_log_says_that_nothing_was_bought_and_what_the_log_lacks(project: Path, log: Path) -> None:
    out = run(ReportConfig(source=str(log), out=project / "log.html", points=3))
    text = headings(told(out))
    assert "Nothing was bought on a log: mpc plays its recorded days" in text
    assert "small has 1 source for all of its auctions" in text
    assert "Constraints and their price" in text
    assert "paymentsecond price" in text  # a name and its value
    assert "Bid coefficients of mpc in slot 24 of the first day" in text


def test_events_of_another_bidders_wins_are_named_as_such_and_not_as_absent(project: Path, tmp_path: Path) -> None:
    log = small_log("small", "interaction", "conversion", units=2)
    save_log(replace(log, funnel=np.ones((log.n, 7), np.uint8)), tmp_path / "log")
    found = of_log.read(ReportConfig(source=str(tmp_path / "log"), points=0), lambda text: None)
    funnel = next(section for section in sections(found) if section.key == "funnel")
    assert (funnel.missing or "").startswith("Events of the log are of auctions that the recorded bidder won")
    assert any(note == "What came of exposures is what was to be expected of them." for note in found.notes)


def test_whose_plan_a_log_of_several_campaigns_shows_is_told(project: Path, tmp_path: Path) -> None:
    save_log(small_log("both", "conversion", units=3, campaigns=("a", "b")), tmp_path / "log")
    found = of_log.read(ReportConfig(source=str(tmp_path / "log"), points=0), lambda text: None)
    assert any(note.startswith("The log is of 2 campaigns: constraints") for note in found.notes)
    assert found.planned is not None
    assert found.planned.whose == "the plan (2 campaigns, each planned by itself)"


def test_a_report_of_a_training_plays_days_that_it_did_not_learn_from(project: Path, log: Path) -> None:
    trained = idle_run(log)
    run(ReportConfig(source=trained[:10], out=project / "trained.html", points=0, slot=3))
    kept = download(trained, "report/trained.html")
    text = headings(told(kept))
    assert "plays the days of small that the run did not learn from" in text
    assert "in slot 3 of the first day" in text
    assert "exposures on 1 day." in text  # a quarter of five, rounded down


def test_a_log_under_the_forecast_of_a_run_weighs_as_its_campaign_does(project: Path, log: Path) -> None:
    trained = idle_run(log)
    found = of_log.read(ReportConfig(source=str(log), forecast=trained[:10], points=0), lambda text: None)
    own = of_log.read(ReportConfig(source=str(log), points=0), lambda text: None)
    assert found.weighed is not None
    assert own.weighed is not None
    assert (found.weighed.whose, own.weighed.whose) == ("as the campaign of the run does", USUAL)


def test_a_report_of_a_campaigns_plan_is_kept_with_it(project: Path, log: Path) -> None:
    file = project / "own.yaml"
    file.write_text("log: log\ncampaign:\n  budget: 5\n  conversion_value: 2\n  max_cpa: 1.5\n")
    solve(SolveConfig(file=file))
    (solved,) = finished_runs("solve")
    run(ReportConfig(source=solved.run_id, out=project / "plan.html", points=0))
    text = headings(told(download(solved.run_id, "report/plan.html")))
    assert "Campaign own on small" in text
    assert "max_cpa" in text
    assert "The front was left out. Give --points." in text


def small_ground(*_: object) -> tuple[CampaignFile, Ground]:
    return CampaignFile(campaign=CAMPAIGN), Ground("daily", synthetic_forecast(SMALL, 0), "profile own: applies")


@pytest.mark.parametrize("kind", ["solve", "train"])
def test_a_run_on_a_preset_plays_days_that_are_drawn(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(of_run, "PRESETS", {"daily": SMALL})
    monkeypatch.setattr(of_run, "campaign_ground", small_ground)
    (tmp_path / "own.yaml").write_text("campaign: {budget: 4, conversion_value: 12}\n")
    described = {"campaign": CAMPAIGN.model_dump(mode="json"), "log": None, "log_digest": None, "setting": "daily"}
    (tmp_path / "policy.json").write_text(json.dumps(described))
    synthetic_forecast(SMALL, 0).save(tmp_path / "forecast.npz")
    config = None if kind == "train" else SolveConfig(file=tmp_path / "own.yaml")
    with open_run("bidpilot", f"{kind} own", kind=kind, config=config) as tracked:
        tracked.log_folder(tmp_path, "policy")
        tracked.log_artifact(tmp_path / "own.yaml")
    (tmp_path / "own.yaml").unlink()  # the run has a copy
    out = run(ReportConfig(source=tracked.run_id, agent="mpc", days=3, points=0, out=project / f"{kind}.html"))
    text = headings(told(out))
    assert "Nothing was bought: mpc plays 3 days that are drawn from daily, which nobody trained on." in text
    assert "on 3 days" in text
    assert "none comes a week after another" in text
    assert ("Profile own: applies." in text) is (kind == "solve")


def test_a_run_on_a_fitted_market_names_a_way_on(project: Path, tmp_path: Path) -> None:
    described = {"campaign": CAMPAIGN.model_dump(mode="json"), "log": None, "log_digest": None, "setting": "fitted"}
    (tmp_path / "policy.json").write_text(json.dumps(described))
    with open_run("bidpilot", "train fitted") as tracked:
        tracked.log_folder(tmp_path, "policy")
    with pytest.raises(NothingToReport, match="fitted to a log"):
        run(ReportConfig(source=tracked.run_id, agent="mpc"))


def test_a_campaign_that_cannot_be_planned_is_told_of_and_hinders_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def infeasible(*_: object) -> None:
        raise InfeasibleCampaign("no plan keeps them together")

    for name in ("allocate", "plan_entry"):
        monkeypatch.setattr(planned_room, name, infeasible)
    none = planned_room.planned(synthetic_forecast(SMALL, 0), CAMPAIGN, 3)
    assert none.plan is None
    assert none.lacks["constraints"] == none.lacks["front"]
    assert none.lacks["front"] == "The campaign has no plan: no plan keeps them together"
    assert none.pace is None
    assert none.beside(Evidence("log", "", ())).limits is None


def test_an_evaluation_has_scores_and_says_what_would_tell_the_rest(project: Path) -> None:
    row = {
        "agent": "mpc", "suite": "daily", "iqm": 0.9, "ci_low": 0.88, "ci_high": 0.92, "mean": 0.9, "mean_low": None,
        "mean_high": None, "p5": 0.8, "vs_mpc": 0.0, "spend_share": 0.9, "violation_rate": 0.0, "violation_size": 0.0,
    }  # fmt: skip
    with open_run("bidpilot", "evaluate agents", kind="evaluate") as tracked:
        tracked.log_json([row, row | {"agent": "ppo@abc", "run": "abcdef1234", "iqm": 0.95}, {"diff": 0.1}], ROWS_FILE)
    run(ReportConfig(source=tracked.run_id, out=project / "scores.html"))
    text = headings(told(project / "scores.html"))
    assert "Best is ppo@abc on daily with 0.9500" in text
    assert "bidpilot report abcdef12" in text
    with open_run("bidpilot", "nothing", kind="evaluate") as nothing:
        nothing.log_json([{"agent": "mpc"}], ROWS_FILE)
    with pytest.raises(NothingToReport, match="kept no scores"):
        run(ReportConfig(source=nothing.run_id, out=project / "none.html"))


def test_an_evaluation_of_fronts_shows_them_with_what_they_miss(project: Path) -> None:
    row = {
        "agent": "mpc", "suite": "daily", "hypervolume_share": 0.9, "worst_loss": 0.2, "mean_loss": 0.1, "days": 4,
        "worst_preference": [0.25, 0.25, 0.5], "totals": [[0.5, 0.4, 0.3], [0.2, 0.6, 0.3]], "seeds": 1,
    }  # fmt: skip
    with open_run("bidpilot", "evaluate front", kind="evaluate") as tracked:
        tracked.log_json([row, row | {"agent": "ppo@abc", "hypervolume_share": 0.95}], ROWS_FILE)
    found = of_run.read(
        resolve_run(tracked.run_id, ("evaluate",)), ReportConfig(source=tracked.run_id), lambda text: None
    )
    told = {section.key: section for section in sections(found)}
    fronts = told["front"]
    assert "attained by ppo@abc on daily: 95.0 % of its hypervolume" in fronts.lead
    assert fronts.sheets[0].rows[0] == ("mpc", "daily", "90.0 %", "10.0 %", "20.0 %", "0.25 : 0.25 : 0.5")
    assert fronts.charts[0].title == "Interaction against exposure on daily"
    assert fronts.charts[2].groups[1].y == (30.0, 30.0)  # type: ignore[union-attr]
    assert [key for key, section in told.items() if section.missing is None] == ["front"]
    assert (told["scores"].missing or "").startswith("Agents were compared by their fronts")


def test_what_cannot_be_reported_is_told_before_any_work(
    project: Path, log: Path, decisions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "empty").mkdir()
    for source, words in (("empty", "holds neither"), ("nobody", "is no folder, and no run")):
        with pytest.raises(NothingToReport, match=words):
            source_of(source)
    with pytest.raises(UnknownAgent, match="no controller is called 'nobody'"):
        run(ReportConfig(source=str(log), agent="nobody"))
    with pytest.raises(InvalidConfig, match="--slot is 99"):
        run(ReportConfig(source=str(log), slot=99))
    with pytest.raises(UnknownIncident, match="is no folder"):
        run(ReportConfig(source=str(decisions), state=project / "away"))
    monkeypatch.setattr("bidpilot.training.reporting.run.library", _missing)
    with pytest.raises(PlotlyMissing):
        run(ReportConfig(source=str(decisions), interactive=True))
    assert source_of(str(log)) == "log"
    assert source_of(str(decisions)) == source_of(str(decisions.parent)) == "decisions"


def _missing() -> str:
    raise PlotlyMissing("not there")


def test_a_training_whose_days_are_all_learnt_or_gone_names_a_way_on(project: Path, tmp_path: Path) -> None:
    save_log(small_log("gone", "conversion", units=4, first=20), tmp_path / "gone")
    trained = idle_run(tmp_path / "gone")
    for file in (tmp_path / "gone").iterdir():
        file.unlink()
    with pytest.raises(NothingToReport, match="bidpilot report LOG --forecast"):
        run(ReportConfig(source=trained))


def test_a_portfolio_is_no_campaign(project: Path, log: Path) -> None:
    file = project / "two.yaml"
    file.write_text(
        "log: log\nbudget: 10\ncampaigns:\n- {name: a, conversion_value: 2}\n- {name: b, conversion_value: 3}\n"
    )
    with open_run("bidpilot", "solve two", kind="solve", config=SolveConfig(file=file)) as solved:
        solved.log_artifact(file)
    with pytest.raises(NothingToReport, match="is of a portfolio"):
        run(ReportConfig(source=solved.run_id))


def test_bundle_and_state_bring_plan_front_and_incidents(tmp_path: Path) -> None:
    folder = write_decisions(tmp_path / "decisions", days=2, campaign="spring")
    bundle, state = (
        write_controller_bundle(tmp_path / "bundle", forecast=synthetic_forecast(SMALL, 0)),
        write_incidents(tmp_path / "state"),
    )
    config = ReportConfig(source=str(folder), bundle=bundle, state=state, points=0, campaign=("spring",))
    found = of_decisions.read(config, lambda text: None)
    assert found.course is not None
    assert found.course.planned is not None
    assert found.limits is not None
    assert [limit.bound for limit in found.limits if limit.name == "budget"] == [20.0]
    parts = dict(found.decision.parts) if found.decision is not None else {}
    assert sum(parts.values()) > 0
    told = {section.key: section for section in sections(found)}
    assert told["incidents"].sheets[0].rows[0][1:5] == ("tracking outage of source 5", "c", "throttled", "open")
    assert told["pace"].charts[0].dashed == ("planned",)  # type: ignore[union-attr]
    assert [row[0] for row in told["pace"].sheets[0].rows] == ["2026-03-01", "2026-03-02"]


def test_an_arm_is_planned_with_its_part_of_the_traffic(tmp_path: Path) -> None:
    folder = write_decisions(tmp_path / "decisions", days=2, campaign="spring")
    told = {"run": "", "agent": "mpc", "digest": ""}
    arms = [{"name": n, "share": s, "campaigns": [c]} | told for n, s, c in (("a", 0.3, "spring"), ("b", 0.7, "other"))]
    (folder / "experiment-x.json").write_text(json.dumps({"name": "x", "control": "a", "arms": arms}))
    forecast = synthetic_forecast(SMALL, 0)
    bundle = write_controller_bundle(tmp_path / "bundle", forecast=forecast)
    found = of_decisions.read(ReportConfig(source=str(folder), bundle=bundle, points=0), lambda text: None)
    campaign = found.campaign
    assert campaign is not None
    assert found.limits is not None
    assert found.course is not None
    assert found.course.planned is not None
    own = replace(forecast, auctions=0.3 * forecast.auctions)
    (budget,) = [limit for limit in found.limits if limit.name == "budget"]
    (expected,) = [dual for dual in allocate(own, campaign).duals if dual.name == "budget"]
    assert budget.utility_per_step == pytest.approx(expected.utility_per_step)
    pace = np.array(plan_entry(own, campaign).spend) / campaign.budget
    np.testing.assert_allclose(found.course.planned, pace)


def test_several_campaigns_have_a_plan_each_and_none_together(tmp_path: Path) -> None:
    folder = write_decisions(tmp_path / "decisions", days=2, campaign="spring")
    rows = pl.read_parquet(folder / "decisions-1.parquet")
    other = rows.with_columns(campaign=pl.lit("autumn"), key="b" + pl.col("key"), budget=pl.lit(60.0))
    pl.concat([rows, other]).write_parquet(folder / "decisions-1.parquet")
    forecast = synthetic_forecast(SMALL, 0)
    bundle = write_controller_bundle(tmp_path / "bundle", forecast=forecast)
    found = of_decisions.read(ReportConfig(source=str(folder), bundle=bundle), lambda text: None)
    told = {section.key: section for section in sections(found)}
    for key in ("constraints", "front"):
        assert told[key].missing == "Each of 2 campaigns has a plan of its own. Name one of them: --campaign NAME."
    assert told["pace"].notes == (told["front"].missing,)
    assert found.title == "What campaigns autumn, spring bought, 2026-03-01 to 2026-03-02"
    campaign = found.campaign
    assert campaign is not None
    plans = [
        allocate(forecast, campaign.model_copy(update={"budget": budget, "conversion_value": 12.0}))
        for budget in (20.0, 60.0)
    ]
    assert found.planned is not None
    assert found.planned.spend == pytest.approx(sum(float(plan.spend.sum()) for plan in plans))
    assert found.planned.kpi[2] == pytest.approx(sum(float(plan.kpi[2]) for plan in plans))


def test_a_request_counts_once_however_many_campaigns_saw_it(tmp_path: Path) -> None:
    """Spring wins some that autumn refuses; others nobody bids on, and some both refuse."""
    folder = write_decisions(tmp_path / "decisions", days=2, campaign="spring")
    rows = pl.read_parquet(folder / "decisions-1.parquet")
    won = rows.filter(pl.col("result") == "won")
    refused = rows.filter(pl.col("result") == "refused_source").with_columns(bid=0.0)
    missed = rows.filter(pl.col("result") == "below_floor").with_columns(bid=0.0)
    autumn = {"campaign": pl.lit("autumn"), "key": pl.lit(""), "bid": pl.lit(0.0), "cost": pl.lit(0.0)}
    both = pl.concat(
        [
            missed.with_columns(**autumn, result=pl.lit("refused_quota")),  # by autumn alone
            won.with_columns(**autumn, result=pl.lit("refused_source")),
            refused.with_columns(**autumn),
            won, missed, refused,
        ]
    )  # fmt: skip
    found = of_decisions.requests_of(both)
    assert dict(found["result"].value_counts().iter_rows()) == {
        "won": won.height, "below_floor": missed.height, "refused_source": refused.height,
    }  # fmt: skip
    assert of_decisions.requests_of(rows).height == rows.height
    alike = pl.concat([won[:1], won[:1], won[:1].with_columns(campaign=pl.lit("autumn"))])
    assert of_decisions.requests_of(alike).height == 3  # two never bid on one request


def test_a_small_campaign_counts_for_as_much_of_the_pace_as_it_has(evidence: Evidence) -> None:
    purchases, course = evidence.purchases, evidence.course
    assert purchases is not None
    assert course is not None
    uneven = replace(evidence, purchases=replace(purchases, budget=3 * purchases.budget))
    share = percent(float(purchases.cost.sum() / purchases.budget.sum()) / 3)
    assert pace.section(uneven).lead.startswith(f"{share} of the budget was spent, from ")
    unknown = replace(evidence, purchases=replace(purchases, budget=np.nan * purchases.budget))
    assert pace.section(unknown).lead.startswith(f"{percent(float(course.spent[:, -1].mean()))} of the budget")


def test_who_named_no_preference_is_told_what_counts_as_in_the_week(evidence: Evidence) -> None:
    (note,) = weeks.section(evidence).notes
    assert note == f"Utility weighs exposure, interaction, conversion by 0 : 0 : 1: {USUAL}."


def test_a_server_without_incidents_is_told_of_and_a_broken_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    assert of_decisions.incidents_of(tmp_path / "state", tmp_path) == ()
    assert of_decisions.incidents_of(None, tmp_path) is None
    section = incidents.section(Evidence("decisions", "", (), incidents=()))
    assert section.missing is None
    assert "kept no incident" in section.lead
    (write_incidents(tmp_path / "other") / "incidents" / "two.json").write_text("{")
    with pytest.raises(InvalidIncident):
        of_decisions.incidents_of(tmp_path / "other", tmp_path)


def test_encrypted_decisions_need_their_key(tmp_path: Path) -> None:
    plain = write_decisions(tmp_path / "plain", days=1, campaign="c")
    (tmp_path / "key").write_bytes(bytes(range(32)))
    (tmp_path / "key").chmod(0o600)
    key = read_key(tmp_path / "key")
    assert key is not None
    sealed = tmp_path / "sealed"
    sealed.mkdir()
    for file in plain.glob("*.parquet"):
        write_sealed(sealed / f"{file.stem}.sealed.parquet", file.read_bytes(), key)
    found = of_decisions.read(ReportConfig(source=str(sealed), key_file=tmp_path / "key"), lambda text: None)
    assert found.purchases is not None
    assert found.purchases.days == ("2026-03-01",)
    assert pace.section(found).notes == ("No plan is known. Name what was served: --bundle FOLDER.",)
    with pytest.raises(UnreadableFile, match="key-file"):
        of_decisions.read(ReportConfig(source=str(sealed)), lambda text: None)
