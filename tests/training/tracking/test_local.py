"""A local store travels with its folder, is made by one process at a time, and knows which of its runs are dead."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from bidpilot.bidding.errors import RunNotFound, TrackingError
from bidpilot.training.tracking import Store, download, find_run, latest_finished_run, open_run
from bidpilot.training.tracking.local import local_path, relocate
from bidpilot.training.tracking.store import _client

WRITE = """
from bidpilot.training.tracking import open_run
with open_run("bidpilot", "r", {"a": 1}) as run:
    run.log_text("weights", "policy/weights.txt")
"""
HANG = """
import time
from bidpilot.training.tracking import open_run
with open_run("bidpilot", "r") as run:
    print(run.run_id, flush=True)
    time.sleep(60)
"""


def python(code: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> str:
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return out


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder with one finished run in its store."""
    folder = tmp_path_factory.mktemp("written with spaces")
    ended(python(WRITE, folder))
    return folder


def copied(written: Path, to: Path) -> Store:
    shutil.copytree(written, to)
    _client.cache_clear()
    return Store.local(to / "mlruns")


def test_a_copied_store_reads_and_writes_in_its_own_folder(written: Path, tmp_path: Path) -> None:
    store = copied(written, tmp_path / "a copy")
    old = Store.local(written / "mlruns")
    run_id = latest_finished_run(store=store).run_id
    assert store.folder is not None
    kept = store.folder / "artifacts" / run_id / "artifacts" / "policy" / "weights.txt"
    kept.write_text("the copy's")
    assert (download(run_id, "policy", store=store) / "weights.txt").read_text() == "the copy's"
    with open_run("bidpilot", store=store) as run:
        run.log_text("new", "policy/weights.txt")
    assert (store.folder / "artifacts" / run.run_id).is_dir()
    assert old.folder is not None
    assert not (old.folder / "artifacts" / run.run_id).exists()
    assert (download(run_id, "policy", store=old) / "weights.txt").read_text() == "weights"


def test_what_lies_elsewhere_by_choice_stays_there(written: Path, tmp_path: Path) -> None:
    folder = tmp_path / "b" / "mlruns"
    shutil.copytree(written / "mlruns", folder)
    elsewhere = ("s3://bucket/mlruns/artifacts", "file:///data/policies")
    with closing(sqlite3.connect(folder / "mlflow.db")) as connection, connection:
        for k, place in enumerate(elsewhere):
            connection.execute(
                "INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage)"
                " VALUES (?, ?, ?, 'active')",
                (90 + k, place, place),
            )
    assert relocate(folder) > 0
    assert relocate(folder) == 0
    with closing(sqlite3.connect(folder / "mlflow.db")) as connection:
        places = {place for (place,) in connection.execute("SELECT artifact_location FROM experiments")}
    assert places >= {*elsewhere, (folder / "artifacts").as_uri()}


def test_files_that_did_not_travel_are_named(written: Path, tmp_path: Path) -> None:
    store = copied(written, tmp_path / "c")
    assert store.folder is not None
    shutil.rmtree(store.folder / "artifacts")
    with pytest.raises(RunNotFound, match=r"its files are not at .*/c/mlruns/artifacts/.*bring them back"):
        download(latest_finished_run(store=store).run_id, "policy", store=store)


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("file:///a/b%20c/mlruns", Path("/a/b c/mlruns")),
        ("/a/b/mlruns", Path("/a/b/mlruns")),
        ("s3://bucket/mlruns", None),
        ("mlflow-artifacts:/1/2", None),
    ],
)
def test_an_address_is_a_path_where_it_lies_on_a_disk(address: str, path: Path | None) -> None:
    assert local_path(address) == path


def test_processes_that_open_a_fresh_store_at_once_all_succeed(tmp_path: Path) -> None:
    for process in [python(WRITE, tmp_path) for _ in range(3)]:
        ended(process)
    with closing(sqlite3.connect(tmp_path / "mlruns" / "mlflow.db")) as connection:
        statuses = [status for (status,) in connection.execute("SELECT status FROM runs")]
    assert statuses == ["FINISHED"] * 3


def test_a_run_whose_process_was_killed_is_marked_at_the_next_start(tmp_path: Path) -> None:
    store = Store.local(tmp_path / "mlruns")
    process = python(HANG, tmp_path)
    assert process.stdout is not None
    run_id = process.stdout.readline().strip()
    with open_run("bidpilot", store=store):
        assert find_run(run_id, store=store).status == "RUNNING"  # it lives
    with pytest.raises(TrackingError, match="written by another process"), open_run("x", resume=run_id, store=store):
        pass
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    with open_run("bidpilot", store=store) as run:
        found = find_run(run_id, store=store)
        assert (found.status, found.tags["error"].split(":")[0]) == ("KILLED", "its process ended without a word")
        assert find_run(run.run_id, store=store).status == "RUNNING"
    with open_run("bidpilot", resume=run_id, store=store):
        assert "error" not in find_run(run_id, store=store).tags
    assert find_run(run_id, store=store).status == "FINISHED"


def test_a_dead_run_that_was_removed_since_is_forgotten(tmp_path: Path, store: Store) -> None:
    assert store.folder is not None
    with open_run("bidpilot", store=store):
        pass
    (store.folder / "running").mkdir(exist_ok=True)
    (store.folder / "running" / f"{'0' * 32}.lock").touch()
    with open_run("bidpilot", store=store):
        assert not (store.folder / "running" / f"{'0' * 32}.lock").exists()


def test_a_server_that_is_away_is_known_in_seconds() -> None:
    start = time.monotonic()
    with pytest.raises(TrackingError, match=r"http://127\.0\.0\.1:9 failed .*unset MLFLOW_TRACKING_URI"):
        Store(uri="http://127.0.0.1:9").client()
    assert time.monotonic() - start < 10
