"""Promotion by a won experiment: refused unless it was served, won, by this bundle, against the champion."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from bidpilot.bidding.errors import InvalidExperiment, PromotionRefused
from bidpilot.training.export import promote
from bidpilot.training.export.config import PromoteConfig
from bidpilot.training.export.registry import Version
from bidpilot.training.export.won import demanded, won_by

ROW: dict[str, Any] = {
    "experiment": "x", "verdict": "won", "after": 16, "units": 20, "control": "control", "treated": "new",
    "difference": 0.05, "low": 0.01, "high": 0.09,
    "bundles": [
        {"arm": "control", "run": "old", "agent": "mpc", "digest": ""},
        {"arm": "new", "run": "fresh", "agent": "ppo", "digest": ""},
    ],
}  # fmt: skip


def bundle(run: str, agent: str) -> Any:
    made = Mock()
    made.manifest.origin.run_id, made.manifest.agent.name = run, agent
    return made


def told(folder: Path, **other: Any) -> str:
    path = folder / "won.json"
    path.write_text(json.dumps([ROW | other]))
    return str(path)


def test_a_won_experiment_says_so(tmp_path: Path) -> None:
    reason = won_by(told(tmp_path), bundle("fresh", "ppo"), bundle("old", "mpc"))
    assert reason == "experiment x: new against control, +5.00% (+1.00% to +9.00%) after 16 days"
    assert won_by(told(tmp_path), bundle("fresh", "ppo"), None) == reason


@pytest.mark.parametrize(
    ("other", "challenger", "champion", "said"),
    [
        ({"verdict": "go on"}, ("fresh", "ppo"), None, "verdict is 'go on'"),
        ({"verdict": "the split is broken"}, ("fresh", "ppo"), None, "not won"),
        ({}, ("another", "ppo"), None, "won by ppo of run fresh .* challenger is ppo of run another"),
        ({}, ("fresh", "mpc"), None, "challenger is mpc of run fresh"),
        ({}, ("fresh", "ppo"), ("third", "mpc"), "won against mpc of run old .* champion is mpc of run third"),
    ],
)
def test_others_are_refused(
    other: dict[str, Any], challenger: tuple[str, str], champion: tuple[str, str] | None, said: str, tmp_path: Path
) -> None:
    with pytest.raises(PromotionRefused, match=said):
        won_by(told(tmp_path, **other), bundle(*challenger), None if champion is None else bundle(*champion))


@pytest.mark.parametrize("row", [ROW | {"experiment": None}, ROW | {"bundles": []}, {}, {"experiment": "x"}])
def test_what_was_not_served_or_not_analysed_is_refused(row: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "row.json"
    path.write_text(json.dumps([row]))
    with pytest.raises(InvalidExperiment):
        won_by(str(path), bundle("fresh", "ppo"), None)
    path.write_text("nothing")
    with pytest.raises(InvalidExperiment, match="no analysed experiment"):
        won_by(str(path), bundle("fresh", "ppo"), None)


def test_a_tag_demands_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert [demanded({"needs_experiment": value}) for value in ("true", " True", "false", "")] == [1, 1, 0, 0]
    version, fresh = Version("m", "3", "", ""), bundle("fresh", "ppo")
    monkeypatch.setattr(promote, "tags_of", lambda _: {"needs_experiment": "true"})
    with pytest.raises(PromotionRefused, match=r"version 3 of bidpilot has the tag .*=true .* --won RESULT"):
        promote._won(PromoteConfig(), version, [fresh])
    assert promote._won(PromoteConfig(won=told(tmp_path)), version, [fresh, bundle("old", "mpc")])
    monkeypatch.setattr(promote, "tags_of", lambda _: {})
    assert promote._won(PromoteConfig(), version, [fresh]) == []
