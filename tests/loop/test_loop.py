"""The small loop, as `make loop` walks it."""

import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]


@pytest.mark.loop
def test_every_joint_of_the_small_loop_holds(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.loop.loop", "--folder", str(tmp_path / "room")]
    done = subprocess.run(command, cwd=_ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=1200)
    assert done.returncode == 0, done.stdout
    assert "all held" in done.stdout
