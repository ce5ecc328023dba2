"""What a run keeps, how it ends, how it is found again."""

import json
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from stable_baselines3.common.logger import Logger

from bidpilot.bidding.errors import RunNotFound, TrackingError
from bidpilot.training.tracking import Store, download, find_run, latest_finished_run, open_run, provenance
from bidpilot.training.tracking.writer import MlflowWriter


def history(store: Store, run_id: str, metric: str) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in store.client().get_metric_history(run_id, metric)]


def test_the_source_is_the_command_whatever_follows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for argv, source, command in (
        (["/x/bin/bidpilot", "train", "--log", "logs/my log"], "bidpilot train", "bidpilot train --log 'logs/my log'"),
        (["/x/bidpilot/__main__.py", "ui"], "bidpilot ui", "bidpilot ui"),
        (["/x/notebook.py", "a/b"], "notebook.py", "notebook.py a/b"),
    ):
        monkeypatch.setattr("sys.argv", argv)
        tags = provenance()
        assert (tags["mlflow.source.name"], tags["command"]) == (source, command)


def test_data_sets_and_models_of_a_run_are_found_by_its_ui(store: Store, tmp_path: Path) -> None:
    (tmp_path / "policy.npz").write_bytes(b"weights")
    with open_run("first", "ppo daily s0", store=store) as run:
        for _ in range(2):  # as a run that is resumed says it again
            run.log_dataset("daily", "0123456789abcdef", {"market": "daily", "seed": 0}, "training")
        run.log_model(tmp_path, "ppo my.log s0", "policy", 96)
    stored = store.client().get_run(run.run_id)
    assert stored.inputs is not None
    assert stored.outputs is not None
    (data,) = stored.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest) == ("daily", "01234567")
    assert [(tag.key, tag.value) for tag in data.tags] == [("mlflow.data.context", "training")]
    (output,) = stored.outputs.model_outputs
    model = store.client().get_logged_model(output.model_id)
    assert (model.name, model.status.value, model.source_run_id) == ("ppo my_log s0", "READY", run.run_id)


def test_a_run_holds_what_was_logged(store: Store, tmp_path: Path) -> None:
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "plan.json").write_text("{}")
    params = {f"p{i}": i for i in range(150)} | {"ppo.net": "64 64", "log": None}
    with open_run("first", "run a", params, {"market.digest": "ab"}, store=store) as run:
        run.log_metrics({"validation/iqm": 0.9, "time/fps": 3}, step=100)
        run.log_metrics({"validation/iqm": 0.95}, step=200)
        run.log_figure(Figure(), "figures/empty.png")
        run.log_json({"a": [1, 2]}, "data/a.json")
        run.log_folder(tmp_path / "policy", "policy")
        assert find_run(run.run_id, store=store).status == "RUNNING"
    found = find_run(run.run_id, store=store)
    assert (found.status, found.name) == ("FINISHED", "run a")
    assert found.params == {name: str(value) for name, value in params.items()}
    assert found.tags["market.digest"] == "ab"
    assert found.tags["version.torch"].startswith("2.13.0")
    assert found.metrics == {"validation/iqm": 0.95, "time/fps": 3.0}
    assert history(store, run.run_id, "validation/iqm") == [(100, 0.9), (200, 0.95)]
    copied = download(run.run_id, "policy", tmp_path / "copy", store=store)
    assert (copied / "plan.json").read_text() == "{}"
    assert json.loads(download(run.run_id, "data/a.json", store=store).read_text()) == {"a": [1, 2]}
    assert download(run.run_id, "figures/empty.png", store=store).read_bytes().startswith(b"\x89PNG")
    assert store.folder is not None
    assert (store.folder / "artifacts" / run.run_id / "artifacts" / "policy" / "plan.json").exists()


def test_an_exception_marks_the_run_failed_and_ctrl_c_killed(store: Store) -> None:
    with pytest.raises(ValueError, match="boom"), open_run("endings", store=store) as failed:
        raise ValueError("boom\nmore")
    with pytest.raises(KeyboardInterrupt), open_run("endings", store=store) as killed:
        raise KeyboardInterrupt
    found = find_run(failed.run_id, store=store)
    assert (found.status, found.tags["error"]) == ("FAILED", "ValueError: boom")
    assert find_run(killed.run_id, store=store).status == "KILLED"


def test_a_resumed_run_goes_on_and_keeps_its_first_parameters(store: Store) -> None:
    with open_run("resume", params={"seed": 1}, store=store) as run:
        run.log_metrics({"x": 1.0}, step=1)
    with open_run("ignored", params={"seed": 2, "new": 3}, resume=run.run_id, store=store) as again:
        again.log_metrics({"x": 2.0}, step=2)
    found = find_run(run.run_id, store=store)
    assert again.run_id == run.run_id
    assert found.status == "FINISHED"
    assert found.params == {"seed": "1", "new": "3"}
    assert found.tags["resumed.seed"] == "2"
    assert history(store, run.run_id, "x") == [(1, 1.0), (2, 2.0)]


def test_latest_finished_run_is_of_the_kind_and_tags_asked_for(store: Store) -> None:
    with open_run("latest", tags={"market": "daily"}, store=store) as first:
        pass
    with open_run("latest", tags={"market": "steady"}, store=store) as second:
        pass
    with open_run("latest", kind="evaluate", store=store) as third:
        pass
    with pytest.raises(KeyboardInterrupt), open_run("latest", store=store):
        raise KeyboardInterrupt
    assert latest_finished_run(experiment="latest", store=store).run_id == second.run_id
    assert latest_finished_run(tags={"market": "daily"}, store=store).run_id == first.run_id
    assert latest_finished_run("evaluate", store=store).run_id == third.run_id
    with pytest.raises(RunNotFound, match=r"no finished train run with market = weekly"):
        latest_finished_run(tags={"market": "weekly"}, store=store)
    with pytest.raises(RunNotFound, match="no finished train run"):
        latest_finished_run(experiment="absent", store=store)


def test_a_run_that_does_not_exist_names_those_that_do(store: Store) -> None:
    with open_run("known", "the known one", store=store) as run:
        pass
    with pytest.raises(RunNotFound, match=run.run_id):
        find_run("0" * 32, store=store)
    with pytest.raises(RunNotFound), open_run("known", resume="0" * 32, store=store):
        pass
    with pytest.raises(RunNotFound, match="holds no 'policy'"):
        download(run.run_id, "policy", store=store)


def test_a_metric_that_is_not_finite_is_an_error(store: Store) -> None:
    with (
        pytest.raises(TrackingError, match=r"loss = nan at step 7"),
        open_run("nan", store=store) as run,
    ):
        run.log_metrics({"fine": 1.0, "loss": float("nan")}, step=7)
    assert find_run(run.run_id, store=store).metrics == {}


def test_the_sb3_writer_forwards_finite_numbers_only(store: Store) -> None:
    with open_run("writer", store=store) as run:
        logger = Logger(folder=None, output_formats=[MlflowWriter(run)])
        logger.record("train/loss", 0.5)
        logger.record("train/explained_variance", float("nan"))
        logger.record("train/note", "text")
        logger.record("train/hidden", 1.0, exclude="mlflow")
        logger.dump(step=12)
    assert find_run(run.run_id, store=store).metrics == {"train/loss": 0.5}
    assert history(store, run.run_id, "train/loss") == [(12, 0.5)]
