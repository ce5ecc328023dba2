"""Where runs are kept."""

import subprocess
import sys
from pathlib import Path

import pytest

from bidpilot.bidding.errors import RunNotFound, TrackingError
from bidpilot.training.tracking import Store, current_store, find_run, latest_finished_run
from bidpilot.training.tracking.provenance import git_commit, provenance


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


def test_the_store_is_under_the_working_directory(tmp_path: Path) -> None:
    assert current_store().uri == f"sqlite:///{tmp_path}/mlruns/mlflow.db"
    assert current_store().artifact_location == f"file://{tmp_path}/mlruns/artifacts"


def test_a_subfolder_of_the_project_uses_the_projects_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mlruns").mkdir()
    (tmp_path / "mlruns" / ".gitkeep").touch()
    (tmp_path / "docs").mkdir()
    monkeypatch.chdir(tmp_path / "docs")
    assert current_store().folder == tmp_path / "mlruns"


def test_the_users_tracking_uri_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.example.org")
    assert current_store() == Store(uri="http://mlflow.example.org")
    assert current_store().artifact_location is None


def test_looking_for_a_run_creates_no_database() -> None:
    with pytest.raises(RunNotFound, match="'abc' does not exist"):
        find_run("abc")
    with pytest.raises(RunNotFound, match="no finished train run"):
        latest_finished_run()
    assert not Path("mlruns").exists()


def test_a_store_that_mlflow_refuses_is_a_named_error(tmp_path: Path) -> None:
    with pytest.raises(TrackingError, match="unset MLFLOW_TRACKING_URI"):
        Store(uri=f"file://{tmp_path}").experiment_id("bidpilot")


def test_importing_the_package_does_not_import_mlflow() -> None:
    code = (
        "import sys; import bidpilot.training.tracking, bidpilot.training.tracking.ui; "
        "assert not {'mlflow', 'torch', 'stable_baselines3', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_git_commit_is_that_of_the_folder_and_knows_changes(tmp_path: Path) -> None:
    git(tmp_path, "init")
    (tmp_path / "file").write_text("a")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "-m", "first")
    clean = git_commit(tmp_path)
    (tmp_path / "file").write_text("b")
    changed = git_commit(tmp_path)
    assert clean is not None
    assert len(clean[0]) == 40
    assert clean[1] is False
    assert changed == (clean[0], True)


def test_an_enclosing_repository_is_not_reported(tmp_path: Path) -> None:
    git(tmp_path, "init")
    git(tmp_path, "commit", "--allow-empty", "-m", "somebody else's")
    (tmp_path / "site-packages").mkdir()
    assert git_commit(tmp_path / "site-packages") is None


def test_provenance_names_versions_and_machine() -> None:
    tags = provenance()
    assert tags["version.torch"].startswith("2.13.0")
    assert int(tags["cpu_count"]) > 0
    assert {"version.bidpilot", "version.numpy", "python", "platform"} <= set(tags)
