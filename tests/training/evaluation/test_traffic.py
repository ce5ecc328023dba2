"""Who plays behind which filter of traffic, and over which days a filter remembers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bidpilot.agents.acting.agent import controller_agent
from bidpilot.bidding.traffic.detector import Detector
from bidpilot.bidding.traffic.filter import SourceTotals
from bidpilot.bidding.traffic.gate import Gate
from bidpilot.envs.markets.defaults import preset_forecast
from bidpilot.envs.markets.presets import INVALID
from bidpilot.envs.synthetic.config import SyntheticConfig
from bidpilot.training.evaluation import catalogue, suites
from bidpilot.training.evaluation import run as evaluate
from bidpilot.training.evaluation.catalogue import SuiteRecord
from bidpilot.training.evaluation.config import EvaluateConfig
from bidpilot.training.evaluation.contestants import Contestant, traffic_references
from bidpilot.training.evaluation.play import Arena
from bidpilot.training.evaluation.suites import Suite, held_out, sequences_held_out, synthetic_suite
from bidpilot.training.evaluation.traffic import detected, missing_told, told, unfiltered
from bidpilot.training.tracking import download
from bidpilot.training.tracking.find import latest_finished_run
from tests.training.evaluation.conftest import CAMPAIGN, SMALL

BURSTS = SyntheticConfig(
    **SMALL.model_dump()
    | {name: getattr(INVALID, name) for name in ("invalid_rate", "invalid_burst_share", "invalid_burst_slots")}
    | {"invalid_burst_probability": 1.0}
)
MPC = controller_agent("mpc")


class Refusing:
    """Refuses every source but the first, and counts the days that it has begun."""

    def __init__(self, rows: int, sources: int) -> None:
        self.days, self.rows, self.sources = 0, rows, sources

    def begin(self, late: NDArray[np.int64]) -> None:
        self.days += 1

    def gate(self, t: int) -> Gate:
        open_ = Gate.open(self.rows, self.sources)
        open_.multiplier[:, 1:] = 0.0
        return open_

    def update(self, t: int, totals: SourceTotals) -> None:
        pass

    def late(self, t: int, totals: SourceTotals) -> None:
        pass

    def estimates(self) -> NDArray[np.float64]:
        return np.zeros((3, self.rows))

    def filtered(self) -> NDArray[np.float64]:
        return np.zeros(self.rows)

    def suspicion(self) -> NDArray[np.float64]:
        return np.zeros((self.rows, self.sources))


def refusing(arena: Arena, before: object = None) -> Refusing:
    return before if isinstance(before, Refusing) else Refusing(len(arena.days), arena.market.log.sources)


@pytest.fixture(scope="module")
def bursts() -> SuiteRecord:
    return SuiteRecord("bursts", "nothing", BURSTS, SMALL, (CAMPAIGN,))


def test_agents_play_behind_the_arenas_filter_unless_another_is_asked_for(bursts: SuiteRecord) -> None:
    arena = synthetic_suite(bursts, 6, 0, filter_of=refusing).arena
    without = synthetic_suite(bursts, 6, 0, filter_of=unfiltered).arena
    np.testing.assert_array_equal(arena.best, without.best)
    refused, free = arena.play(MPC), arena.play(MPC, filter_of=unfiltered)
    np.testing.assert_array_equal(free.ratio, without.play(MPC).ratio)
    assert (refused.ratio < free.ratio).all()
    assert (arena.play_constant().ratio < without.play_constant().ratio).all()
    assert arena.filtered
    assert not without.filtered


def test_the_references_of_a_filter_are_told_and_without(bursts: SuiteRecord) -> None:
    suite = synthetic_suite(bursts, 6, 0, filter_of=refusing)
    found = {c.name: c.play(suite)[c.name].ratio for c in traffic_references(suite, ("mpc", "mpc_informed"))}
    assert list(found) == ["mpc_unfiltered", "mpc_filtered"]
    np.testing.assert_array_equal(found["mpc_unfiltered"], suite.arena.play(MPC, filter_of=unfiltered).ratio)
    np.testing.assert_array_equal(found["mpc_filtered"], suite.arena.play(MPC, filter_of=told).ratio)
    assert found["mpc_filtered"].mean() > found["mpc_unfiltered"].mean() + 0.01
    marks = {name: Contestant(name).marks(suite).get(name) for name in ("mpc", *found)}
    assert {name: mark and mark["traffic"] for name, mark in marks.items()} == {
        "mpc": "detector",
        "mpc_unfiltered": "none",
        "mpc_filtered": "told",
    }
    assert [c.name for c in traffic_references(suite, ("mpc_filtered",))] == ["mpc_unfiltered"]


def test_without_a_detector_mpc_is_the_unfiltered_one_and_without_invalid_traffic_there_is_none(
    bursts: SuiteRecord, suite: Suite
) -> None:
    free = synthetic_suite(bursts, 6, 0, filter_of=unfiltered)
    assert [c.name for c in traffic_references(free, ())] == ["mpc_filtered"]
    assert traffic_references(suite, ()) == []


def test_honest_traffic_that_looks_like_invalid_traffic_calls_for_the_references() -> None:
    viral = SyntheticConfig(**SMALL.model_dump() | {"viral_source_probability": 1.0})
    suite = synthetic_suite(SuiteRecord("surges", "nothing", viral, SMALL, (CAMPAIGN,)), 4, 0, filter_of=refusing)
    assert not suite.arena.traffic.invalid.any()
    assert [c.name for c in traffic_references(suite, ())] == ["mpc_unfiltered", "mpc_filtered"]


def test_a_detector_begins_the_day_with_what_it_learnt_the_day_before(bursts: SuiteRecord) -> None:
    arena = synthetic_suite(bursts, 3, 0).arena
    arena.play(MPC)
    first = arena.episode.statistics.traffic
    second = detected(arena, first)
    assert isinstance(first, Detector)
    assert isinstance(second, Detector)
    assert second is not first
    assert second.memory is not None
    np.testing.assert_array_equal(second.memory.evidence, first.remember().evidence)
    assert np.abs(second.memory.evidence).max() > 0


def test_a_day_is_played_behind_the_filter_of_the_day_before(bursts: SuiteRecord) -> None:
    made: list[Refusing] = []

    def counting(arena: Arena, before: object = None) -> Refusing:
        made.append(refusing(arena, before))
        return made[-1]

    record = SuiteRecord("bursts", "nothing", BURSTS, SMALL, (CAMPAIGN,), in_a_row=3)
    suite = synthetic_suite(record, 8, 0, filter_of=counting)
    made.clear()
    outcome = suite.arena.play(MPC)
    assert len(set(map(id, made))) == 1
    assert made[0].days == 3
    assert suite.kept_units.tolist() == [0, 1] * 3  # days 1 of both sequences, then days 2, days 3
    _, turns = sequences_held_out(record, 8, 0)
    _, all_days = held_out(record, 8, 0)
    np.testing.assert_array_equal(turns[1].salt, all_days.salt[[1, 4]])  # the days of one sequence follow each other
    alone = synthetic_suite(bursts, 6, 0, filter_of=refusing).arena.play(MPC)  # forgets nothing, for it knows nothing
    np.testing.assert_allclose(outcome.ratio, alone.ratio.reshape(2, 3).T.ravel())


def test_a_suite_that_is_played_in_a_row_has_at_least_one_sequence(bursts: SuiteRecord) -> None:
    record = SuiteRecord("bursts", "nothing", BURSTS, SMALL, (CAMPAIGN,), in_a_row=30)
    assert len(synthetic_suite(record, 4, 0).arena.kept) == 4


@pytest.mark.parametrize("on", [True, False])
def test_an_evaluation_says_whether_the_filter_was_on(
    on: bool, bursts: SuiteRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suites, "SUITES", {**catalogue.SUITES, "bursts": bursts})
    file = tmp_path / "rows.json"
    asked = {"agents": ("mpc",), "suites": ("bursts",), "days": 6, "json": file, "traffic_filter": on}
    evaluate.run(EvaluateConfig.model_validate(asked))
    rows = {row["agent"]: row for row in json.loads(file.read_text()) if "iqm" in row}
    references = ["mpc_unfiltered", "mpc_filtered"] if on else ["mpc_filtered"]
    assert list(rows) == [*references, "mpc_informed", "mpc"]
    assert rows["mpc_filtered"]["filter_closed"] == pytest.approx(1.0)
    if not on:
        assert rows["mpc"]["filter_closed"] == 0.0
    stored = latest_finished_run("evaluate", experiment="bidpilot")
    assert stored.params.get("traffic_filter") == (None if on else "False")
    assert stored.tags["traffic_filter"] == ("detector" if on else "none")
    assert download(stored.run_id, "evaluation.json").is_file()


def test_the_detector_is_the_default(bursts: SuiteRecord) -> None:
    assert synthetic_suite(bursts, 2, 0).arena.filter_of is detected


def test_a_filter_that_cannot_be_is_named_and_not_left_out_in_silence() -> None:
    known = preset_forecast()
    unknown = replace(known, source_share=None)
    assert missing_told("log", known, asked=True) == ""
    assert missing_told("log", unknown, asked=False) == ""
    assert missing_told("log", unknown, asked=True).startswith("log: without the traffic filter, since its forecast")
