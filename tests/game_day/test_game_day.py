"""The game day, as `make game-day` plays it."""

import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]


@pytest.mark.loop
def test_the_game_day_passes() -> None:
    command = [sys.executable, "-m", "tests.game_day.game_day"]
    done = subprocess.run(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True, timeout=300)
    assert done.stdout.splitlines()[-1].startswith("game day: passed"), done.stdout
    assert done.returncode == 0
