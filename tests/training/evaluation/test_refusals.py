"""How right refusals were, by counts that are worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from bidpilot.agents.acting.agent import controller_agent
from bidpilot.envs.clearing.traffic import TrueTraffic
from bidpilot.training.evaluation.refusals import Refusals, Watch, accuracy, invalid_spend, onsets
from bidpilot.training.evaluation.suites import Suite
from bidpilot.training.evaluation.traffic import told, unfiltered

# one day of three slots: source 0 bursts in slots 1 and 2, source 1 is honest, source 2 is bad all day
REQUESTS = np.array([[[10, 10, 2], [40, 10, 2], [40, 10, 2]]])
INVALID = np.array([[[0, 0, 2], [30, 0, 1], [30, 1, 2]]])
TRUTH = TrueTraffic(REQUESTS, INVALID)


def refusals(refused: list[list[int]], multiplier: list[list[float]] | None = None) -> Refusals:
    counts = np.array([refused])
    factor = np.ones(counts.shape) if multiplier is None else np.array([multiplier])
    return Refusals(counts, factor, np.ones(counts.shape), np.zeros(counts.shape))


def test_a_burst_begins_where_most_of_enough_requests_are_invalid() -> None:
    assert onsets(TRUTH).tolist() == [[1, 3, 0]]  # 3: never


def test_refusals_are_judged_by_request_and_by_source_and_day() -> None:
    found = accuracy(refusals([[1, 2, 0], [0, 0, 0], [20, 0, 0]]), TRUTH)
    # honest among the refused: 1 and 2 of slot 0, and a quarter of the 20 of slot 2
    assert found.honest_refused == pytest.approx((3 + 5) / (126 - 66))
    assert found.caught == pytest.approx(15 / 66)
    assert found.precision == pytest.approx(1 / 2)  # of sources 0 and 1
    assert found.recall == pytest.approx(1 / 2)  # source 0, not 2
    assert found.slots_to_detection == 1.0  # slot 2; the refusal of slot 0 was before the burst
    assert found.honest_closed == 0.0


def test_honest_sources_that_are_refused_whole_are_counted_by_day() -> None:
    found = accuracy(refusals([[0, 10, 0], [0, 0, 0], [0, 0, 0]], [[1, 0, 1], [1, 1, 1], [1, 1, 1]]), TRUTH)
    assert found.honest_closed == 1.0  # the one honest source
    assert (found.precision, found.recall, found.slots_to_detection) == (0.0, 0.0, None)
    assert accuracy(refusals([[0, 0, 0]] * 3), TRUTH).precision is None


def test_a_source_that_is_bid_on_at_a_discount_is_held_back() -> None:
    found = accuracy(refusals([[0, 0, 0]] * 3, [[1, 1, 1], [1, 1, 1], [0.5, 1, 0.9]]), TRUTH)
    assert (found.precision, found.recall, found.honest_closed) == (1.0, 1.0, 0.0)
    assert found.slots_to_detection == 1.5  # source 0 a slot after its burst began, source 2 two after the day did


def test_honest_days_have_no_recall() -> None:
    honest = TrueTraffic(REQUESTS, np.zeros_like(INVALID))
    found = accuracy(refusals([[0, 0, 0]] * 3), honest)
    assert (found.precision, found.recall, found.caught, found.honest_refused) == (None, None, 0.0, 0.0)


def test_money_on_invalid_traffic_is_its_share_of_each_slot_and_source() -> None:
    assert invalid_spend(refusals([[0, 0, 0]] * 3), TRUTH).tolist() == pytest.approx([0.75 * 2 + 1 + 0.5 + 1 + 0.1])


def test_a_watch_sees_what_the_days_were_played_behind(suite: Suite) -> None:
    arena, watches = suite.arena, (Watch(), Watch())
    agent, slots = controller_agent("mpc"), arena.market.slots
    outcome = arena.play(agent, filter_of=unfiltered, watch=watches[0])
    arena.play(agent, filter_of=told, watch=watches[1])
    free, behind = (watch.refusals(slots) for watch in watches)
    np.testing.assert_allclose(free.spend.sum(axis=(1, 2)), outcome.spend_share * arena.campaigns.budget)
    assert not free.refused.any()
    np.testing.assert_array_equal(behind.refused, 0)  # nothing is invalid on these days
    assert free.spend.shape == (len(arena.days), slots, arena.market.log.sources)
    parts = Refusals.joined([free, behind])
    np.testing.assert_array_equal(parts.spend[len(arena.days) :], behind.spend)
