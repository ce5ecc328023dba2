"""What is left out while gains are searched, and what becomes of gains that win or lose on it."""

from pathlib import Path

import numpy as np
import pytest

from bidpilot.agents.acting.controllers import PID
from bidpilot.envs.logs.storage import save_log
from bidpilot.training.setting.setting import recorded_setting, training_setting
from bidpilot.training.tune.baselines import HeldOut, TunedBaseline, gains_entry
from bidpilot.training.tune.config import TuneConfig
from bidpilot.training.tune.folds import folds_of
from bidpilot.training.tune.search import Best
from bidpilot.training.tune.spaces import BASELINES, defaults
from tests.training.small_logs import small_log

CONFIG = TuneConfig(days=6, folds=2)


def test_a_log_leaves_out_whole_periods_and_whole_campaigns(tmp_path: Path) -> None:
    log = small_log("log", "conversion", units=2, campaigns=("a", "b"))
    save_log(log, tmp_path / "log")
    folds = list(folds_of(CONFIG, training_setting("", tmp_path / "log", 0)))
    assert [fold.kind for fold in folds] == ["periods", "periods", "campaigns", "campaigns"]
    held = [[0, 1], [2, 3], [0, 2], [1, 3]]
    for fold, days in zip(folds, held, strict=True):
        rest = [d for d in range(4) if d not in days]
        (trained,) = fold.train
        # The held days are the log's own; forecast and days to tune on come from the others alone.
        np.testing.assert_array_equal(fold.held.market.log.market_price, log.select_days(days).market_price)
        alone = recorded_setting(log.select_days(rest))
        assert trained.market.digest == alone.market.digest
        for arena in (trained, fold.held):
            np.testing.assert_array_equal(arena.forecast.landscape.price, alone.forecast.landscape.price)
    assert [fold.units.tolist() for fold in folds] == [[0, 0], [1, 1], [0, 1], [0, 1]]


def test_a_log_of_one_campaign_in_one_period_has_nothing_to_leave_out(tmp_path: Path) -> None:
    log = small_log("log", "conversion", units=1)
    save_log(log, tmp_path / "log")
    assert not list(folds_of(CONFIG, training_setting("", tmp_path / "log", 0)))


def test_a_preset_leaves_out_whole_markets_under_its_own_forecast() -> None:
    setting = training_setting("steady", None, 0)
    first, second = folds_of(on_steady(CONFIG), setting)
    assert first.kind == second.kind == "markets"
    assert first.train == (second.held,)
    assert second.train == (first.held,)
    digests = {arena.market.digest for arena in (first.held, second.held)} | {setting.market.digest}
    assert len(digests) == 3
    assert first.held.forecast is second.held.forecast is setting.forecast
    assert [fold.units.tolist() for fold in (first, second)] == [[0, 1, 2], [3, 4, 5]]


def on_steady(config: TuneConfig) -> TuneConfig:
    return config.model_copy(update={"market": "steady"})


def part(kind: str, low: float | None) -> HeldOut:
    return HeldOut(kind, 0.01, low, None if low is None else 0.02, 4, 8)


@pytest.mark.parametrize(
    ("parts", "won"),
    [
        ([part("periods", 0.001), part("campaigns", 0.001)], True),
        ([part("periods", 0.001), part("campaigns", 0.0)], False),
        ([part("periods", 0.001), part("campaigns", None)], False),
        ([], False),
    ],
)
def test_gains_are_played_where_they_win_on_everything_that_was_held_out(parts: list[HeldOut], won: bool) -> None:
    found = {"proportional": 3.0, "integral": 0.2, "derivative": 0.5}
    entry = gains_entry({"pid": TunedBaseline(Best(found, 0.9, 0.8), tuple(parts))})
    assert entry["gains"]["pid"] == (found if won else PID.defaults)
    assert entry["found"]["pid"] == found
    assert [told["kind"] for told in entry["held_out"]["pid"]] == [p.kind for p in parts]


def test_the_reference_controller_stays_neutral() -> None:
    found = {"gain": 0.9, "early": 0.1, "late": 0.0}
    entry = gains_entry({"mpc": TunedBaseline(Best(found, 0.9, 0.8), (part("markets", 0.001),))})
    assert entry["gains"]["mpc"] == defaults(BASELINES["mpc"]) == {"gain": 1.0, "early": 0.0, "late": 0.0}
    assert entry["found"]["mpc"] == found
