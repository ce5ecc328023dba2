"""`--calendar`: events of a log's dates, in the forecast that is trained with and in that of the days played."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bidpilot.bidding.errors import InvalidConfig
from bidpilot.bidding.landscape.forecast import TRAFFIC_LEVEL, Forecast
from bidpilot.envs.logs.storage import save_log
from bidpilot.training.evaluation.ground import find_trained
from bidpilot.training.evaluation.suites import log_suite
from bidpilot.training.setting.setting import training_setting
from bidpilot.training.setting.terms import LogTerms
from tests.training.small_logs import small_log


def calendar(folder: Path, day: str, traffic: float) -> LogTerms:
    path = folder / f"{day}.json"
    path.write_text(json.dumps([{"name": "sale", "from": day, "to": day, "traffic": traffic}]))
    return LogTerms(calendar=path)


def dated(name: str, first: int) -> Any:
    log = small_log(name, "conversion", first=first)
    days = tuple(replace(day, unit=f"2026-11-{first + d + 1:02}") for d, day in enumerate(log.days))
    return replace(log, days=days)


def expected(forecast: Forecast, log: Any) -> list[float]:
    told = forecast.expected(log.dates)
    return [0.0] * log.n_days if told is None else told.level[:, TRAFFIC_LEVEL].tolist()


def test_events_of_training_days_and_of_days_that_are_played(tmp_path: Path) -> None:
    log, later = dated("train", 0), dated("test", 6)
    save_log(log, tmp_path / "train")
    plain = training_setting("", tmp_path / "train", 0)
    sale = training_setting("", tmp_path / "train", 0, calendar(tmp_path, "2026-11-02", 0.5))
    assert plain.forecast.calendar is None
    assert expected(sale.forecast, log) == [0.0, -1.0, 0.0, 0.0]
    level = sale.forecast.history[:, :, TRAFFIC_LEVEL].mean(axis=1)
    np.testing.assert_allclose(level / level[0], [1.0, 2.0, 1.0, 1.0])  # as many auctions as on the others
    trained = find_trained(later, str(tmp_path / "train"), (), "bidpilot")
    arena = log_suite(later, trained, calendar(tmp_path, "2026-11-08", 2.0)).arena
    assert expected(arena.forecast, later) == [0.0, 1.0, 0.0, 0.0]
    assert expected(log_suite(later, trained, LogTerms()).arena.forecast, later) == [0.0] * 4


def test_a_preset_has_no_dates_to_name_events_by(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match=r"2026-11-02\.json.*Give --log"):
        training_setting("steady", None, 0, calendar(tmp_path, "2026-11-02", 0.5))
