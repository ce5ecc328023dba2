"""Whose target costs days are played under: their own, an explicit one, or none; and what is stored of it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bidpilot.agents.learners.common.snapshot import Point, Standing
from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.errors import InfeasibleCampaign, InvalidConfig
from bidpilot.envs import seeding
from bidpilot.envs.logs.storage import save_log
from bidpilot.training.evaluation.suites import setting_arena, validation_arena
from bidpilot.training.setting.setting import Setting, training_setting
from bidpilot.training.setting.split import HoldOut
from bidpilot.training.setting.targets import asked_campaign, rule_of, usual_campaign
from bidpilot.training.setting.terms import LogTerms
from bidpilot.training.train.config import TrainConfig
from bidpilot.training.train.run import save_policy
from tests.training.export.conftest import random_policy
from tests.training.small_logs import small_log

TARGETS = (1.25, None, 1.75, 1.0)  # of the log's days; a conversion costs about 1


@pytest.fixture
def log(tmp_path: Path) -> Path:
    whole = small_log("log", "conversion")
    days = tuple(replace(day, max_cpa=target) for day, target in zip(whole.days, TARGETS, strict=True))
    save_log(replace(whole, days=days), tmp_path / "log")
    return tmp_path / "log"


def setting_of(log: Path, hold_out: HoldOut | None = None, **terms: Any) -> Setting:
    return training_setting("", log, 0, LogTerms.model_validate(terms), hold_out)


def targets_of(setting: Setting) -> set[float | None]:
    """Those that its drawn days are scored by."""
    arena = setting_arena(setting, 64, seeding.VALIDATION, 0)
    bound = arena.campaigns.bounds.get("max_cpa", np.full(64, np.nan))
    return {None if np.isnan(target) else float(target) for target in bound}


def test_days_have_their_own_targets_unless_one_is_given_or_they_are_left_out(log: Path) -> None:
    own, given, none = setting_of(log), setting_of(log, max_cpa=5.0), setting_of(log, targets=False)
    assert targets_of(own) == set(TARGETS)
    assert targets_of(given) == {5.0}
    assert targets_of(none) == {None}
    assert own.market.digest == given.market.digest != none.market.digest
    assert targets_of(setting_of(log, max_cpa=5.0, targets=False)) == {5.0}
    assert [rule_of(s.campaign, s.recorded) for s in (own, given, none)] == ["recorded", "campaign", "none"]


def test_held_out_days_are_validated_under_the_same_rule(log: Path) -> None:
    held_out = HoldOut(0.5)
    for terms, want in (({}, [None, 1.0]), ({"max_cpa": 5.0}, [5.0, 5.0]), ({"targets": False}, [None, None])):
        arena = validation_arena(setting_of(log, held_out, **terms), 8, 0)
        bound = arena.campaigns.bounds.get("max_cpa", np.full(2, np.nan))
        assert [None if np.isnan(target) else float(target) for target in bound] == want


def test_what_is_stored_has_the_mean_target_and_gives_back_what_was_asked_for(log: Path) -> None:
    for terms, usual, asked, targets in (
        ({}, 4.0 / 3.0, None, True),
        ({"max_cpa": 5.0}, 5.0, 5.0, True),
        ({"targets": False}, None, None, False),
        ({"min_roi": 1.1}, 4.0 / 3.0, None, True),
    ):
        setting = setting_of(log, **terms)
        stored = usual_campaign(setting.campaign, setting.recorded)
        assert stored.max_cpa == usual
        assert stored.min_roi == terms.get("min_roi")
        found = asked_campaign(stored, rule_of(setting.campaign, setting.recorded))
        assert found == (setting.campaign, targets)
        assert found[0].max_cpa == asked
    before = Campaign(budget=1.0, max_cpa=2.0)  # of a run that does not say
    assert asked_campaign(before, None) == (before, True)


def test_a_target_that_nothing_can_be_bought_at_is_refused_with_the_way_out(tmp_path: Path) -> None:
    whole = small_log("dear", "conversion")
    save_log(replace(whole, days=tuple(replace(day, max_cpa=1e-9) for day in whole.days)), tmp_path / "dear")
    with pytest.raises(InfeasibleCampaign, match=r"dear records max_cpa = 1e-09.*--no-targets"):
        setting_of(tmp_path / "dear")
    assert targets_of(setting_of(tmp_path / "dear", targets=False)) == {None}


def test_a_preset_records_no_targets_to_leave_out() -> None:
    with pytest.raises(InvalidConfig, match=r"steady records none\. Give --log"):
        training_setting("steady", None, 0, LogTerms(targets=False))


def test_a_policy_is_stored_with_its_rule(log: Path) -> None:
    setting, folder = setting_of(log), log.parent / "policy"
    folder.mkdir()
    standing = Standing().after(Point(1, 0.9, 0.8, 1.0, 0.9), random_policy(2))
    save_policy(
        folder,
        setting,
        TrainConfig(log=log),
        setting_arena(setting, 4, seeding.VALIDATION, 0),
        standing,
        np.array([0.9]),
    )
    stored = json.loads((folder / "policy.json").read_text())
    assert (stored["targets"], stored["campaign"]["max_cpa"]) == ("recorded", pytest.approx(4.0 / 3.0))
