"""Recorded logs in folders of their own."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bidpilot.envs.logs.storage import save_log
from tests.training.small_logs import small_log


@pytest.fixture
def write_log(tmp_path: Path) -> Callable[..., Path]:
    """The folder of a small log that predicts these KPIs beside exposure."""

    def write(*kpis: str) -> Path:
        folder = tmp_path / ("-".join(kpis) or "exposure")
        save_log(small_log(folder.name, *kpis), folder)
        return folder

    return write
