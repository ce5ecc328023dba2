"""A training on a log is chosen by recorded days that it never saw, the same ones after a resume."""

import json
from pathlib import Path

import numpy as np
import pytest

from bidpilot.agents.acting.policy import NetworkPolicy
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.landscape.forecast import Forecast
from bidpilot.envs.logs.storage import load_log, save_log
from bidpilot.envs.markets.recorded.replay import RecordedMarket
from bidpilot.training.cli import main
from bidpilot.training.evaluation.play import Arena
from bidpilot.training.evaluation.statistics import interquartile_mean
from bidpilot.training.tracking import RunInfo, download, latest_finished_run
from tests.training.small_logs import small_log

pytestmark = pytest.mark.usefixtures("project")

BEST = "validation/best_ratio_iqm"
TINY = [
    *("--rows", "4", "--validate-every", "192", "--checkpoint-every", "192"),
    *("--imitation.rounds", "1", "--imitation.batch-size", "64"),
    *("--ppo.batch-size", "64", "--ppo.epochs", "1", "--ppo.net", "8", "8", "--ppo.group", "2"),
    *("--verdict-days", "0"),
]


def trained(log: Path, *options: str) -> RunInfo:
    main(["train", "--log", str(log), *TINY, "--total-steps", "192", *options])
    return latest_finished_run("train")


def best_on(run: RunInfo, log: Path, days: list[int]) -> float:
    """R / R* of the run's policy on these recorded days, from its files alone."""
    folder, recorded = download(run.run_id, "policy"), load_log(log)
    stored = json.loads((folder / "policy.json").read_text())
    forecast, campaign = Forecast.load(folder / "forecast.npz"), Campaign.model_validate(stored["campaign"])
    market = RecordedMarket(recorded, forecast.level_slots)
    arena = Arena(market, forecast, campaign, market.recorded(days))
    return interquartile_mean(arena.play(NetworkPolicy.load(folder / "policy.npz")).ratio)


def test_a_run_is_chosen_by_held_out_recorded_days_and_goes_on_with_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_log(small_log("train", "conversion", units=5), tmp_path / "train")
    first = trained(tmp_path / "train", "--seed", "0")
    printed = capsys.readouterr().out
    assert "validation on 1 of 5 recorded days, held-out units: unit 2" in printed
    assert "1 validation days (held-out units)" in printed
    assert first.metrics[BEST] == pytest.approx(best_on(first, tmp_path / "train", [2]), abs=1e-12)
    assert (first.tags["validation"], first.tags["held_out"]) == ("held-out units", "none")
    stored = json.loads((download(first.run_id, "policy") / "policy.json").read_text())
    assert [day["label"] for day in stored["training_days"]] == ["day 0", "day 1", "day 3", "day 4"]
    assert [day["label"] for day in stored["held_out_days"]] == ["day 2"]
    assert stored["training_digest"] == first.tags["training_digest"] != first.tags["log_digest"]

    main(["train", "--resume", first.run_id, "--total-steps", "384"])
    again = latest_finished_run("train")
    assert again.run_id == first.run_id
    assert again.tags["training_digest"] == first.tags["training_digest"]

    other = trained(tmp_path / "train", "--seed", "1")
    forecasts = [Forecast.load(download(run.run_id, "policy") / "forecast.npz") for run in (first, other)]
    np.testing.assert_array_equal(forecasts[0].landscape.price, forecasts[1].landscape.price)
    assert other.tags["training_digest"] == first.tags["training_digest"]


def test_named_campaigns_are_not_looked_at_and_tagged(tmp_path: Path) -> None:
    log = tmp_path / "train"
    save_log(small_log("train", "conversion", units=3, campaigns=("b", "a", "c")), log)
    run = trained(log, "--hold-out", "c", "a")
    assert (run.tags["held_out"], run.tags["validation"]) == ('["a", "c"]', "held-out units")
    assert run.tags["log_digest"] == load_log(log).digest
    assert run.metrics[BEST] == pytest.approx(best_on(run, log, [3]), abs=1e-12)  # of unit 1 and campaign b


def test_a_preset_has_nothing_to_hold_out(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["train", "--market", "steady", "--hold-out", "a", *TINY])
    assert "--hold-out names campaigns of a recorded log" in capsys.readouterr().err
