"""`bidpilot off-policy`: from a served log to an estimate or a refusal, and the truth of the simulator, small."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bidpilot.bidding.errors import InvalidConfig
from bidpilot.training.experiments.arms import named_arm
from bidpilot.training.off_policy import check
from bidpilot.training.off_policy.candidate import Candidate, estimated_days
from bidpilot.training.off_policy.config import CheckConfig, EstimateConfig
from bidpilot.training.off_policy.overlap import Overlap, TooLittleOverlap
from bidpilot.training.off_policy.rows import estimate_rows
from bidpilot.training.off_policy.run import run
from bidpilot.training.off_policy.served import NotEstimable, ServedLog
from bidpilot.training.off_policy.simulated import Ground
from bidpilot.training.tracking import download, latest_finished_run
from tests.serving.conftest import write_controller_bundle
from tests.training.off_policy.conftest import write_decisions


def candidate_of(ground: Ground, name: str) -> Candidate:
    return Candidate(ground.forecast, ground.campaign, named_arm(name, "daily", ""))


def test_who_served_the_log_would_have_brought_what_it_brought(ground: Ground, plain: ServedLog) -> None:
    found = estimated_days(plain, candidate_of(ground, "mpc"), np.random.default_rng(1))
    spend, kpi = plain.totals
    np.testing.assert_allclose(found.spend, spend, rtol=0.02)
    np.testing.assert_allclose(found.kpi, kpi, rtol=0.04)
    assert found.overlap.effective > 0.9
    assert found.overlap.beyond < 0.01
    rows = {row["metric"]: row for row in estimate_rows(plain, found, ground.campaign)}
    for row in rows.values():
        assert row["change"] == pytest.approx(0.0, abs=0.01)
        assert row["change_low"] is not None
        assert row["change_high"] is not None
        assert row["change_low"] <= 0.0 <= row["change_high"]
    assert rows["cpa"]["candidate"] == pytest.approx(spend.sum() / kpi[:, 2].sum(), rel=0.02)


def test_lower_bids_overlap_and_far_higher_ones_do_not(ground: Ground, plain: ServedLog, explored: ServedLog) -> None:
    rng = np.random.default_rng(1)
    low, high = (candidate_of(ground, f"plan*{factor}") for factor in (0.5, 3.0))
    below = estimated_days(plain, low, rng)
    below.overlap.check()
    with pytest.raises(TooLittleOverlap, match="above every bid"):
        estimated_days(plain, high, rng).overlap.check()
    with pytest.raises(TooLittleOverlap):
        estimated_days(explored, high, rng).overlap.check()
    # what is explored is seen less often, but seen
    slightly = candidate_of(ground, "mpc*1.1")
    alone, with_it = (estimated_days(log, slightly, rng).overlap for log in (plain, explored))
    assert with_it.beyond < alone.beyond
    assert with_it.effective > 0.03


def test_overlap_is_of_all_copies_and_not_of_the_first(ground: Ground, plain: ServedLog) -> None:
    """Copies draw prices of their own, so that a candidate's money, and so its bids, end elsewhere in each."""
    candidate = candidate_of(ground, "mpc*1.3")
    assert Overlap.mean([Overlap(9, 0.1, 0.2, 0.5), Overlap(9, 0.3, 0.6, 0.1)]) == Overlap(9, 0.2, 0.4, 0.3)
    found = [estimated_days(plain, candidate, np.random.default_rng(0), copies).overlap for copies in (1, 3)]
    again = estimated_days(plain, candidate, np.random.default_rng(0), 3).overlap
    assert found[1] == again
    assert found[0].beyond != found[1].beyond


@pytest.mark.parametrize(
    ("overlap", "said"),
    [
        (Overlap(4, 0.0, 0.0, 1.0), "4 days"),
        (Overlap(9, 0.2, 0.5, 1.0), "20.0% of the candidate's wins"),
        (Overlap(9, 0.0, 0.0, 0.01), "1.0% of the auctions"),
    ],
)
def test_a_refusal_says_what_there_is_too_little_of(overlap: Overlap, said: str) -> None:
    with pytest.raises(TooLittleOverlap, match=said):
        overlap.check()
    Overlap(9, 0.05, 0.1, 0.5).check()


@pytest.mark.usefixtures("project")
def test_a_bundle_is_estimated_on_a_servers_log_or_refused(
    ground: Ground, explored: ServedLog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = write_decisions(explored, tmp_path / "decisions")
    bundle = write_controller_bundle(tmp_path / "mpc", "mpc", ground.campaign, ground.forecast)
    out, figure = tmp_path / "out.json", tmp_path / "figure.png"
    settings = {"log": log, "bundle": bundle, "json": out, "figure": figure}
    rows = run(EstimateConfig.model_validate(settings))
    record = json.loads(out.read_text())
    assert record["verdict"] == "estimated"
    assert record["rows"] == rows
    assert figure.stat().st_size > 1000
    stored = latest_finished_run("off-policy")
    assert stored.tags["verdict"] == "estimated"
    assert json.loads(download(stored.run_id, "estimate.json").read_text()) == record
    with pytest.raises(TooLittleOverlap):
        run(EstimateConfig.model_validate({**settings, "least_effective": 1.0}))
    record = json.loads(out.read_text())
    assert record["verdict"] == "refused"
    assert record["rows"] == []
    assert "by weight" in record["why"]
    assert latest_finished_run("off-policy").tags["verdict"] == "refused"
    assert "explored" in capsys.readouterr().out
    other = write_decisions(explored, tmp_path / "other")
    (other / "segments.json").write_text(json.dumps([*reversed(explored.segments)]))
    with pytest.raises(NotEstimable, match="segments"):
        run(EstimateConfig.model_validate({**settings, "log": other}))


@pytest.mark.usefixtures("project")
def test_estimates_hold_against_the_truth_of_the_simulator(
    tmp_path: Path, ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "daily_ground", lambda auctions: ground)
    out, figure = tmp_path / "rows.json", tmp_path / "figure.png"
    small = {"candidates": 8, "days": 7, "truth_days": 16, "copies": 1}
    totals = check.run(CheckConfig.model_validate({**small, "json": out, "figure": figure}))
    rows = json.loads(out.read_text())
    assert rows[: len(totals)] == totals
    assert len(rows) == len(totals) + 8 * 2 * 3
    assert figure.stat().st_size > 1000
    found = {(row["log"], row["metric"]): row for row in totals}
    explored, plain = (found[way, "utility"] for way in (check.EXPLORED, check.PLAIN))
    assert explored["refused"] < plain["refused"]  # exploring is what tells of higher bids
    judged = explored["candidates"] - explored["refused"]
    assert judged >= 4
    assert explored["covered"] >= judged - 2
    assert explored["bias"] == pytest.approx(0.0, abs=0.05)
    with pytest.raises(InvalidConfig, match="sum to 1"):
        check.run(CheckConfig(shares=(0.5, 0.5)))
