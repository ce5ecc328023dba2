"""A tuning that was stopped: it goes on where it was, and finds what it would have found."""

import json
from pathlib import Path
from typing import Any

import pytest

from bidpilot.bidding.errors import InvalidConfig, RunNotFound
from bidpilot.training.cli import main
from bidpilot.training.evaluation.play import Arena, Outcome
from bidpilot.training.tracking import current_store, download, find_run, open_run
from bidpilot.training.tune import results
from bidpilot.training.tune import run as command
from bidpilot.training.tune.config import TuneConfig

pytestmark = pytest.mark.usefixtures("project", "few_worlds")

CONFIG = TuneConfig(market="steady", agents="baselines", trials=3, days=4, folds=2)


def found(run_id: str) -> dict[str, object]:
    entry: dict[str, object] = json.loads(download(run_id, results.TUNED_FILE).read_text())["gains.json"]
    return {name: value for name, value in entry.items() if name != "run"}


@pytest.fixture(scope="module")
def whole(project: Path) -> str:
    """A tuning that nothing stopped."""
    return command.run(CONFIG)


def stopped(plays: int) -> str:
    """A tuning whose process ends in the middle of this play of an arena; the run's id."""
    play, count = Arena.play, 0

    def dying(arena: Arena, *args: Any) -> Outcome:
        nonlocal count
        count += 1
        if count > plays:
            raise KeyboardInterrupt
        return play(arena, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Arena, "play", dying)
        with pytest.raises(KeyboardInterrupt):
            command.run(CONFIG)
    store = current_store()
    runs = store.client().search_runs([store.experiment_id("bidpilot")], "tags.kind = 'tune'")
    return str(runs[0].info.run_id)


@pytest.mark.parametrize("plays", [0, 5, 25])  # in the first search, a later one, and one with a part left out
def test_a_stopped_tuning_finds_what_it_would_have_found(whole: str, plays: int) -> None:
    run_id = stopped(plays)
    assert find_run(run_id).status == "KILLED"
    assert command.run(TuneConfig(resume=run_id)) == run_id
    assert find_run(run_id).status == "FINISHED"
    assert found(run_id) == found(whole)


def test_only_what_was_not_played_is_played(whole: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tuning that is done plays no trial again: of each part it plays the gains it found and the defaults."""
    played: list[Arena] = []
    play = Arena.play

    def counted(arena: Arena, *args: Any) -> Outcome:
        played.append(arena)
        return play(arena, *args)

    monkeypatch.setattr(Arena, "play", counted)
    command.run(TuneConfig(resume=whole))
    assert len(played) == 2 * CONFIG.folds * 3  # pid, dual_descent and mpc; `constant` plays otherwise


def test_nothing_is_written_into_the_package_unless_it_is_asked_for(
    whole: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "data_folder", lambda: tmp_path / "data")
    command.run(TuneConfig(resume=whole))
    assert not (tmp_path / "data").exists()
    main(["tune", "--resume", whole, "--install"])
    assert json.loads((tmp_path / "data" / "gains.json").read_text())["steady"]["run"] == whole
    assert "written to" in capsys.readouterr().out


def test_a_resumed_tuning_keeps_its_own_configuration(whole: str) -> None:
    with pytest.raises(InvalidConfig, match="--trials cannot be given with --resume"):
        command.run(TuneConfig(resume=whole, trials=64))


def test_what_is_no_tuning_is_a_named_error() -> None:
    with open_run("bidpilot", "other", kind="evaluate") as other:
        pass
    with pytest.raises(RunNotFound, match="is of kind evaluate, not tune"):
        command.run(TuneConfig(resume=other.run_id))
