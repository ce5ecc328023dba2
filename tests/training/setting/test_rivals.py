"""Facts about training and being evaluated among rivals: they answer or do not, and R* is the same for all agents."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bidpilot.agents.acting.agent import controller_agent
from bidpilot.envs.answering.days import RivalDays
from bidpilot.training.evaluation.catalogue import SUITES
from bidpilot.training.evaluation.suites import Suite, setting_arena, synthetic_suite
from bidpilot.training.setting.setting import training_setting
from bidpilot.training.train.config import TrainConfig
from tests.envs.answering.small import small_market


@pytest.fixture(scope="module")
def suite() -> Suite:
    return synthetic_suite(replace(SUITES["rivals"], rivals=small_market().config), 6, 0)


def test_the_suite_plays_one_bidder_among_47() -> None:
    record = SUITES["rivals"]
    assert record.rivals is not None
    assert record.rivals.bidders == 48


def test_r_star_and_every_agents_days_stay_whoever_has_played_before(suite: Suite) -> None:
    first = suite.arena.play(controller_agent("mpc")).ratio.copy()
    bold = suite.arena.play(controller_agent("plan")).ratio.copy()
    again = suite.arena.play(controller_agent("mpc")).ratio
    np.testing.assert_array_equal(first, again)
    assert (first != bold).any()
    assert ((first > 0.3) & (first < 1.1)).all()
    assert not suite.arena.filtered


@pytest.mark.parametrize(("market", "answers"), [("rivals", True), ("rivals_fixed", False)])
def test_a_training_has_rivals_who_answer_or_fixed_prices(
    market: str, answers: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = small_market().config
    monkeypatch.setattr("bidpilot.training.setting.setting.RivalMarketConfig", lambda: small)
    setting = training_setting(market, None, 0)
    assert setting.name == market
    assert setting.campaign.budget == small.budget
    arena = setting_arena(setting, 3, 1, 0)
    rivals = arena.days.answers
    assert isinstance(rivals, RivalDays)
    alone = rivals.columns.market_price.copy()
    arena.play(controller_agent("mpc"))
    assert (rivals.columns.market_price != alone).any() == answers
    assert not TrainConfig.model_validate({"market": market}).broadens
