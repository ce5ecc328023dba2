"""A log without conversions, as KuaiRand's are: it trains and is evaluated, and what it lacks opens no run."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bidpilot.training.cli import main
from bidpilot.training.tracking import download, latest_finished_run
from bidpilot.training.tracking.store import current_store

TINY = [
    *("--rows", "4", "--total-steps", "192", "--validation-days", "2"),
    *("--validate-every", "192", "--checkpoint-every", "192"),
    *("--imitation.rounds", "1", "--imitation.batch-size", "64"),
    *("--ppo.batch-size", "64", "--ppo.epochs", "1", "--ppo.net", "8", "8", "--ppo.group", "2"),
    *("--verdict-days", "0"),
]


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    return capsys.readouterr().err


pytestmark = pytest.mark.usefixtures("own_store")


def test_it_trains_and_is_evaluated_by_its_interactions_or_as_it_is_told(
    write_log: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    log = str(write_log("interaction"))
    main(["train", "--log", log, *TINY])
    trained = latest_finished_run("train")
    assert trained.params["preference"] == "0.0 1.0 0.0"
    assert "scalarisation" not in trained.params  # it is the usual one
    stored = json.loads((download(trained.run_id, "policy") / "policy.json").read_text())
    assert stored["campaign"]["preference"] == [0.0, 1.0, 0.0]

    rows = {}
    terms = ["--preference", "1", "0", "0", "--channel-caps", "feed", "1"]
    for preference, played in (([], "0.0 1.0 0.0"), (terms, "1.0 0.0 0.0")):
        main(["evaluate", "--log", log, "--agents", "plan", "ppo", "--json", "rows.json", *preference])
        written = json.loads(Path("rows.json").read_text())
        rows[bool(preference)] = {row["agent"].partition("@")[0]: row["iqm"] for row in written if "iqm" in row}
        assert latest_finished_run("evaluate").params["preference"] == played
    assert set(rows[False]) == {"mpc", "mpc_informed", "plan", "ppo"}
    assert all(0.2 < ratio <= 1.0 for ratio in rows[False].values())
    assert rows[True]["plan"] != rows[False]["plan"]

    capsys.readouterr()
    runs = len(current_store().client().search_runs(["0", "1"]))
    for command in (["train", *TINY], ["evaluate", "--agents", "plan"]):
        message = refused([*command, "--log", log, "--preference", "0", "0", "1"], capsys)
        assert "weighs conversion, which interaction has none of. Give --preference with 0 for it" in message
    assert len(current_store().client().search_runs(["0", "1"])) == runs


def test_a_run_says_what_carries_over_and_why(two_worths: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["train", "--log", str(two_worths), "--validation-share", "0", *TINY])
    printed = " ".join(capsys.readouterr().out.split())
    assert "rates carry over: between 2 campaigns the variance of log conversions per auction is 0.0" in printed
    trained = latest_finished_run("train")
    assert trained.tags["carries"] == "rates"
    stored = json.loads((download(trained.run_id, "policy") / "policy.json").read_text())["carries"]
    assert stored["carries"] == "rates"
    assert stored["rates_variance"] < 0.01 < 0.9 < stored["money_variance"]  # log 4 squared over 2, about


def test_what_it_lacks_is_refused_before_there_is_a_store(
    write_log: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = str(write_log("interaction"))
    assert "weighs conversion" in refused(["train", "--log", log, "--preference", "0", "0", "1"], capsys)
    assert not (tmp_path / "mlruns").exists()
