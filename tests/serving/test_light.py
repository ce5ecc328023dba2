"""A bidder needs the serve extra alone: no training library is imported, and none is installed with it."""

from __future__ import annotations

import os
import subprocess
import venv
from pathlib import Path

import pytest

from tests.serving.served import Served, only_bid

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "stable_baselines3", "cvxpy", "mlflow", "gymnasium", "numba", "scipy", "matplotlib", "onnxruntime")
BLOCKER = f"""
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {HEAVY!r}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
"""


def test_a_server_answers_where_no_training_library_can_be_imported(bundle_folder: Path, tmp_path: Path) -> None:
    """Importing one of them fails in the server's process, as where it is not installed."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(BLOCKER)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(site), str(ROOT)]))
        with Served(bundle_folder, tmp_path / "state", "--decisions", str(tmp_path / "d")) as server:
            with server.client() as client:
                bid = only_bid(client.bid()[1])
                assert client.notice(bid["burl"], bid["price"], bid["price"]) == 204
            assert server.stop() == 0
    assert list((tmp_path / "d").glob("decisions-*.parquet"))


@pytest.mark.skipif("BIDPILOT_LIGHT" not in os.environ, reason="makes an environment: set BIDPILOT_LIGHT=1 to run it")
def test_a_wheel_with_the_serve_extra_alone_installs_and_serves(
    bundle_folder: Path, wheel: Path, tmp_path: Path
) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-c", "constraints.txt"]
    subprocess.run([*pip, f"bidpilot[serve] @ {wheel.as_uri()}"], cwd=ROOT, check=True)
    found = subprocess.run([str(python), "-m", "pip", "list"], capture_output=True, text=True, check=True).stdout
    installed = {line.split()[0].lower().replace("-", "_") for line in found.splitlines()}
    assert not installed & set(HEAVY)
    with Served(bundle_folder, tmp_path / "state", python=python) as server:
        with server.client() as client:
            assert client.bid()[0] == 200
        assert server.stop() == 0
