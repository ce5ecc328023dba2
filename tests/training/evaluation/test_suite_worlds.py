"""The suite of worlds: whole rounds of them, each a unit of its own; and worlds to validate on that no suite has."""

import numpy as np
import pytest

from bidpilot.envs import seeding
from bidpilot.training.evaluation import catalogue
from bidpilot.training.evaluation.catalogue import SUITES
from bidpilot.training.evaluation.suites import held_out, synthetic_suite, worlds_arena
from bidpilot.training.explain.config import ExplainConfig
from bidpilot.training.explain.run import _suite as explained
from bidpilot.training.setting.setting import training_setting

WORLDS = 3


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "WORLDS", WORLDS)


@pytest.mark.parametrize(("asked", "played"), [(1, 3), (8, 6)])
def test_the_suite_plays_whole_rounds_of_its_worlds_one_at_least(asked: int, played: int) -> None:
    suite = synthetic_suite(SUITES["worlds"], asked, 0)
    np.testing.assert_array_equal(suite.units, np.arange(played) % WORLDS)
    assert suite.arena.episode.rows == played


def test_a_day_of_the_suite_is_of_the_world_whose_turn_it_is() -> None:
    market, days = held_out(SUITES["worlds"], 7, 0)
    world = market.log.n // WORLDS  # each world has a log of as many auctions, one after the other
    np.testing.assert_array_equal(days.start[:, 0] // world, np.arange(7) % WORLDS)


def test_more_days_begin_with_the_same_ones() -> None:
    _, few = held_out(SUITES["worlds"], 3, 0)
    _, more = held_out(SUITES["worlds"], 9, 0)
    np.testing.assert_array_equal(few.salt, more.salt[:3])
    np.testing.assert_array_equal(few.start, more.start[:3])


def test_what_is_chosen_is_chosen_on_worlds_and_days_that_the_suite_does_not_have() -> None:
    setting = training_setting("daily", None, 0)
    arena = worlds_arena(setting, 7, seeding.VERDICT_WORLDS, 0, WORLDS)
    market, days = held_out(SUITES["worlds"], 6, 0)
    assert arena.episode.rows == 6
    assert arena.forecast is setting.forecast
    np.testing.assert_array_equal(arena.days.start[:, 0] // (arena.market.log.n // WORLDS), np.arange(6) % WORLDS)
    assert arena.market.digest != market.digest
    assert not np.isin(arena.market.log.market_price, market.log.market_price).all()
    assert not np.isin(arena.days.salt, days.salt).any()


def test_a_day_of_a_later_round_can_be_explained() -> None:
    suite = explained(ExplainConfig(suite="worlds", day=4), None, None)
    _, days = held_out(SUITES["worlds"], 6, 0)
    np.testing.assert_array_equal(suite.arena.days.salt[4], days.salt[4])
