"""What is installed: a wheel holds the package and nothing else, and works alone; a clone without links is refused."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path
from zipfile import ZipFile

import pytest

from bidpilot.checkout import ROOMS, LinklessCheckout, require_links
from tests.conftest import build_wheel
from tests.serving.served import Served, only_bid

ROOT = Path(__file__).resolve().parents[1]
TRAIN = (
    "train", "--market", "steady", "--no-randomise", "--total-steps", "0", "--rows", "8", "--imitation.rounds", "1",
    "--ppo.batch-size", "128", "--validation-days", "4", "--verdict-days", "0",
)  # fmt: skip


def run(command: Sequence[str | Path], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("COVERAGE", "PYTHON"))}
    environment.pop("MLFLOW_TRACKING_URI", None)
    return subprocess.run(
        [str(word) for word in command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def output(command: Sequence[str | Path], folder: Path) -> str:
    done = run(command, folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def names(wheel: Path) -> set[str]:
    """Files of the package in a wheel, without what says where they came from."""
    with ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def test_a_wheel_holds_every_file_of_the_rooms_and_nothing_else(wheel: Path) -> None:
    files = [path for room in ROOMS for path in (ROOT / room).rglob("*") if path.is_file()]
    files += [path for path in (ROOT / "bidpilot").iterdir() if path.is_file()]
    kept = [path.relative_to(ROOT) for path in files if "__pycache__" not in path.parts]
    assert names(wheel) == {str(path if path.parts[0] == "bidpilot" else "bidpilot" / path) for path in kept}


def test_a_source_distribution_makes_the_same_wheel(wheel: Path, repository: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    output(["git", "clone", "--quiet", repository, clone], tmp_path)
    code = "from setuptools import build_meta; build_meta.build_sdist('dist')"
    output([sys.executable, "-c", code], clone)
    (archive,) = (clone / "dist").glob("*.tar.gz")
    assert names(build_wheel(str(archive), tmp_path / "wheel")) == names(wheel)


def test_a_wheel_alone_trains_exports_serves_and_is_imported(wheel: Path, tmp_path: Path) -> None:
    """In an environment that has what bidpilot depends on, in an empty folder, with nothing of the checkout."""
    folder, environment = tmp_path / "empty", tmp_path / "venv"
    folder.mkdir()
    venv.create(environment)
    python, program = environment / "bin" / "python", environment / "bin" / "bidpilot"
    (own,) = environment.glob("lib/python*/site-packages")
    # The folders of installed packages, without the .pth files in them, which lead to the checkout.
    (own / "dependencies.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")))
    output([sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", wheel], folder)

    assert "usage: bidpilot COMMAND" in output([program, "--help"], folder)
    assert "best policy: mean R / R*" in output([program, *TRAIN], folder)
    assert "bundle bidpilot (ppo" in output([program, "export", "--out", "bundle"], folder)
    with Served(folder / "bundle", folder / "state", python=python) as server:
        with server.client() as client:
            assert only_bid(client.bid()[1])["price"] > 0.0
        assert server.stop() == 0
    code = (
        "import json, sys, bidpilot; policy = bidpilot.load_policy('bundle');"
        "print(json.dumps([type(policy).__name__, bidpilot.__file__, sys.path]))"
    )
    kind, imported, path = json.loads(output([python, "-c", code], folder))
    assert kind == "BundleAgent"
    assert Path(imported).is_relative_to(own)
    assert str(ROOT) not in path


@pytest.fixture(scope="module")
def linkless(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone as git makes it where it may make no links."""
    clone = tmp_path_factory.mktemp("linkless") / "clone"
    output(["git", "-c", "core.symlinks=false", "clone", "--quiet", repository, clone], clone.parent)
    assert (clone / "bidpilot" / "agents").read_text() == "../agents"
    return clone


@pytest.mark.parametrize("module", ["bidpilot", "bidpilot.bidding.errors", "bidpilot.training.cli"])
def test_a_clone_without_links_says_so_when_it_is_imported(linkless: Path, module: str) -> None:
    done = run([sys.executable, "-c", f"import sys; sys.path.insert(0, '.'); import {module}"], linkless)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert "LinklessCheckout: agents, bidding, envs, serving, solvers, training in" in last
    assert "git config core.symlinks true; git checkout -- bidpilot" in last


def test_a_clone_without_links_is_not_built(linkless: Path, tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
    done = run([*pip, "--wheel-dir", str(tmp_path), str(linkless)], tmp_path)
    assert done.returncode == 1
    assert "LinklessCheckout: agents, bidding" in done.stdout + done.stderr
    assert list(tmp_path.glob("*.whl")) == []


def test_what_the_error_says_makes_links(linkless: Path, tmp_path: Path) -> None:
    clone = shutil.copytree(linkless, tmp_path / "clone")
    with pytest.raises(LinklessCheckout) as error:
        require_links(str(clone / "bidpilot"))
    remedy = str(error.value).partition("in the clone: ")[2].partition(". ")[0]
    for command in remedy.split("; "):
        output(command.split(), clone)
    require_links(str(clone / "bidpilot"))
    assert [room for room in ROOMS if not (clone / "bidpilot" / room).is_symlink()] == []
