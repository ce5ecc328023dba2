"""Recorded logs small enough to train on in a moment."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bidpilot.envs.logs.auction_log import AuctionLog, DayRecord, stack_offsets
from bidpilot.envs.logs.storage import save_log

SLOTS, AUCTIONS, DAYS = 48, 20, 4


def small_log(name: str, *kpis: str) -> AuctionLog:
    """Four days of 48 slots of 20 auctions on feed and search, which predict these KPIs beside exposure."""
    rng = np.random.default_rng(7)
    n = DAYS * SLOTS * AUCTIONS
    value = rng.lognormal(-3.0, 0.5, n).astype(np.float32).clip(0, 1)
    columns: dict[str, Any] = {"exposure": np.ones(n, np.float32)}
    for kpi in ("interaction", "conversion"):
        columns[kpi] = value.copy() if kpi in kpis else np.zeros(n, np.float32)
    return AuctionLog(
        name=name,
        market_price=(value * rng.lognormal(0.0, 0.5, n)).astype(np.float32),
        **columns,
        **{f"true_{kpi}": column for kpi, column in columns.items()},
        segment=rng.integers(0, 2, n).astype(np.int16),
        source=np.zeros(n, np.int16),
        invalid=np.zeros(n, np.bool_),
        interacted=None,
        converted=None,
        offsets=stack_offsets([np.full(SLOTS, AUCTIONS) for _ in range(DAYS)]),
        days=tuple(DayRecord(f"day {d}", f"day {d}", 5.0, 2.0) for d in range(DAYS)),
        segments=("feed/head", "search/head"),
        sources=1,
    )


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
