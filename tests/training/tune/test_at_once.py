"""Trials side by side: what a search finds depends on how many are asked for at once, and on nothing else."""

from __future__ import annotations

import io
import pickle
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console

from bidpilot.agents.acting.controllers.base import Gain
from bidpilot.bidding.errors import InvalidConfig
from bidpilot.envs import seeding
from bidpilot.training.evaluation.suites import setting_arena
from bidpilot.training.jobs.backend import Backend
from bidpilot.training.jobs.run import crew
from bidpilot.training.setting.setting import training_setting
from bidpilot.training.tracking import Run, Store
from bidpilot.training.tune.baselines import PlaysGains
from bidpilot.training.tune.config import TuneConfig
from bidpilot.training.tune.progress import TrialProgress
from bidpilot.training.tune.run import run
from bidpilot.training.tune.search import Best, Search
from bidpilot.training.tune.spaces import Settings, defaults

SPACE = {"gain": Gain(1.0, 0.5, 2.0), "early": Gain(0.0, -1.0, 1.0)}


def search(folder: Path, at_once: int, trials: int = 7) -> Search:
    parent = Run("parent", "0", "tune", Store.local(folder))
    progress = TrialProgress(Console(file=io.StringIO()), 1, trials)
    return Search(trials, 3, f"sqlite:///{folder / 'optuna.db'}", parent, "bidpilot", progress, at_once)


def scores(asked: Sequence[Settings]) -> list[float]:
    return [-((settings["gain"] - 1.4) ** 2) - settings["early"] ** 2 for settings in asked]


def found(folder: Path, at_once: int) -> tuple[Best, list[int]]:
    """What is found, and how many settings were asked for each time."""
    folder.mkdir()
    sizes: list[int] = []

    def score(asked: Sequence[Settings]) -> list[float]:
        sizes.append(len(asked))
        return scores(asked)

    return search(folder, at_once).best("agent", SPACE, score), sizes


def test_so_many_are_asked_for_before_any_is_told(tmp_path: Path) -> None:
    one, sizes = found(tmp_path / "one", 1)
    assert sizes == [1] * 7
    three, sizes = found(tmp_path / "three", 3)
    assert sizes == [3, 3, 1]
    assert one.untuned == three.untuned == scores([defaults(SPACE)])[0]
    assert min(one.ratio, three.ratio) >= one.untuned


def test_a_search_that_was_stopped_finds_what_it_would_have_found(tmp_path: Path) -> None:
    whole, _ = found(tmp_path / "whole", 3)
    asked = 0

    def stopping(settings: Sequence[Settings]) -> list[float]:
        nonlocal asked
        asked += len(settings)
        if asked > 3:
            raise KeyboardInterrupt
        return scores(settings)

    (tmp_path / "stopped").mkdir()
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path / "stopped", 3).best("agent", SPACE, stopping)
    assert search(tmp_path / "stopped", 3).best("agent", SPACE, scores) == whole


def test_gains_are_scored_alike_by_whoever_is_sent_the_days() -> None:
    setting = training_setting("steady", None, 0)
    work = PlaysGains((setting_arena(setting, 4, seeding.TUNING, 0),))
    jobs: list[tuple[str, Settings]] = [("mpc", {}), ("constant", {"gain": 1.2})]
    with crew(work, Backend()) as here:
        assert here.results(jobs) == [pickle.loads(pickle.dumps(work))(job) for job in jobs]


def test_a_search_on_a_cluster_says_how_many_at_once() -> None:
    with pytest.raises(InvalidConfig, match="give --workers N"):
        run(TuneConfig(backend="ray"))
