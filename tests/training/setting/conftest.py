"""Recorded logs in folders of their own."""

from collections.abc import Callable
from dataclasses import replace
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


@pytest.fixture
def two_worths(tmp_path: Path) -> Path:
    """The folder of a small log of two advertisers by turns, to whom its conversions are worth 2 and 8."""
    log = small_log("worths", "conversion")
    days = tuple(
        replace(day, conversion_value=(2.0, 8.0)[d % 2], campaign="ab"[d % 2]) for d, day in enumerate(log.days)
    )
    save_log(replace(log, days=days), tmp_path / "worths")
    return tmp_path / "worths"
