"""Suites that workers play in parts have the rows of those that this process plays."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from bidpilot.agents.acting.agent import controller_agent
from bidpilot.bidding.errors import InvalidConfig
from bidpilot.training.evaluation.catalogue import SUITES
from bidpilot.training.evaluation.config import EvaluateConfig
from bidpilot.training.evaluation.contestants import Contestant, Lesson
from bidpilot.training.evaluation.play import Outcome
from bidpilot.training.evaluation.run import run
from bidpilot.training.evaluation.spread import SuitePlayed, made, play_suite, played_by_workers
from bidpilot.training.jobs.backend import Backend

CONFIG = EvaluateConfig(suites=("steady", "cpa"), days=4)
SEEDS = Contestant(
    "seeds",
    {"seeds@a": controller_agent("mpc"), "seeds@b": controller_agent("pid")},
    ("a", "b"),
    {"seeds@a": Lesson(other_market=True)},
)
EVERYONE = (Contestant("mpc"), Contestant("mpc_informed"), SEEDS)
RECORDS = [SUITES[name] for name in CONFIG.suites]


@pytest.fixture(scope="module")
def here() -> list[SuitePlayed]:
    return [play_suite(made(record, CONFIG), EVERYONE, CONFIG, str) for record in RECORDS]


def same(one: SuitePlayed, other: SuitePlayed) -> None:
    """All that rows are made of, bit for bit, in the same order."""
    assert (one.name, one.gains, one.told) == (other.name, other.gains, other.told)
    assert [c.name for c in one.present] == [c.name for c in other.present]
    assert list(one.outcomes) == list(other.outcomes)
    assert one.marks == other.marks
    np.testing.assert_array_equal(one.reference, other.reference)
    np.testing.assert_array_equal(one.kept_units, other.kept_units)
    for row, outcome in one.outcomes.items():
        for name in Outcome.__dataclass_fields__:
            np.testing.assert_array_equal(getattr(outcome, name), getattr(other.outcomes[row], name))


def test_parts_are_joined_in_order_whoever_played_them(here: list[SuitePlayed]) -> None:
    """One suite by two workers: contestants are dealt out, and the seeds of one to both."""
    heard: list[str] = []
    (found,) = played_by_workers(CONFIG, RECORDS[:1], EVERYONE, Backend("local", 2), heard.append)
    same(found, here[0])
    assert [told[:16] for told in heard] == ["1 of 2 jobs done", "2 of 2 jobs done"]


def test_suites_come_in_their_order(here: list[SuitePlayed]) -> None:
    for one, other in zip(played_by_workers(CONFIG, RECORDS, EVERYONE, Backend(), str), here, strict=True):
        same(one, other)


def test_a_suite_that_is_made_already_is_sent_to_the_workers(here: list[SuitePlayed]) -> None:
    suite = pickle.loads(pickle.dumps(made(RECORDS[0], CONFIG)))
    (found,) = played_by_workers(CONFIG, [suite], EVERYONE, Backend(), str)
    same(found, here[0])


def test_a_front_is_played_by_one_process() -> None:
    with pytest.raises(InvalidConfig, match="--workers"):
        run(EvaluateConfig(front=True, workers=2))
