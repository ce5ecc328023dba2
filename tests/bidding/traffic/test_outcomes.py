"""Outcomes: what views and interactions say of sources, told at once, late, or afterwards."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from bidpilot.bidding.traffic.evidence import evidence, log_odds
from bidpilot.bidding.traffic.outcomes import Outcomes, OutcomeSettings, Told

SLOTS = 8
C = 4
NO_SURGE = np.zeros((1, C), np.int64)  # slot that one began in


def told(
    views: list[float], wins: float = 20.0, events: list[float] | None = None, excess: float = 0.0, rows: int = 1
) -> Told:
    def wide(values: list[float]) -> NDArray[np.float64]:
        return np.tile(np.array(values, np.float64), (rows, 1))

    everywhere = wide([wins] * C)
    return Told(
        everywhere, 0.5 * everywhere, wide(views), everywhere, wide(events or [2.0] * C), np.full((rows, C), excess)
    )


def outcomes(rows: int = 1, late: int = 0, retold: bool = False, settings: OutcomeSettings | None = None) -> Outcomes:
    found = Outcomes((rows, C), SLOTS, settings or OutcomeSettings(), retold)
    found.begin(np.full(rows, late))
    return found


def run(o: Outcomes, slots: list[Told], onset: int = 0) -> Outcomes:
    for t, slot in enumerate(slots):
        o.update(t, slot, np.full((len(slot.wins), C), onset))
    return o


def test_a_source_without_views_is_refused_soon_and_the_others_are_not_suspected() -> None:
    o = run(outcomes(), [told([10, 10, 10, 1])] * 4)
    assert o.suspicion(np.zeros((1, C)))[0, 3] > 0.99
    assert (o.suspicion(np.zeros((1, C)))[0, :3] < 0.003).all()


def test_the_evidence_of_one_slot_by_hand() -> None:
    """All trusted alike: the rate is what all sources realise."""
    s = OutcomeSettings(prior=1e-12, faked=1e-12)
    o = run(outcomes(settings=s), [told([10, 8, 12, 2], events=[2, 1, 3, 0])])
    views, events = 32 / 40, 6 / 80
    for c, (k, j) in enumerate([(10, 2), (8, 1), (12, 3), (2, 0)]):
        of_views = evidence(np.array([k]), np.array([10 * views]), 0.1, 40.0) / 0.7
        of_events = evidence(np.array([j]), np.array([20 * events]), 0.1, 10.0)
        np.testing.assert_allclose(o.odds[0, c] - log_odds(1e-12), (of_views + of_events)[0], rtol=1e-6)


def test_a_slot_that_tells_nothing_of_anyone_speaks_against_nobody() -> None:
    """A tracking outage: no views, no interactions, from all sources alike."""
    usual, lost = told([10] * C), told([0] * C, events=[0] * C)
    o = run(outcomes(), [usual, usual, lost, lost, lost, lost])
    assert (o.suspicion(np.zeros((1, C))) < 0.003).all()


def test_what_is_never_told_of_anyone_is_missed_of_no_one() -> None:
    """An exchange that tells no views, or no events at all: whoever sends most would be missed most, day after day."""
    large = told([0] * C, events=[0] * C)._replace(
        wins=np.array([[60.0, 5, 5, 5]]), exposed=np.array([[30.0, 2, 2, 2]]), predicted=np.array([[60.0, 5, 5, 5]])
    )
    o = run(outcomes(), [large] * SLOTS)
    np.testing.assert_array_equal(o.odds, log_odds(0.003))
    views = run(outcomes(), [large._replace(views=np.array([[30.0, 2, 2, 2]]))] * SLOTS)
    np.testing.assert_array_equal(views.events.day, 0.0)


def test_interactions_above_the_usual_earn_nothing_and_raise_suspicion_where_views_lack() -> None:
    idle = run(outcomes(), [told([10, 10, 10, 6], events=[2, 2, 2, 2])] * 3).odds[0, 3]
    farm = run(outcomes(), [told([10, 10, 10, 6], events=[2, 2, 2, 12])] * 3).odds[0, 3]
    assert farm > idle


@pytest.mark.parametrize("late", [1, 3])
def test_what_is_told_late_is_what_a_row_told_at_once_knew_so_many_slots_before(late: int) -> None:
    slots = [told([10, 9, 11, k]) for k in (1, 10, 3, 8, 0, 9)]
    prompt, waits = outcomes(), outcomes(late=late)
    known = []
    for t, slot in enumerate(slots):
        prompt.update(t, slot, NO_SURGE)
        waits.update(t, slot, NO_SURGE)
        known.append(prompt.odds.copy())
        expected = known[t - late] if t >= late else np.full((1, C), log_odds(0.003))
        np.testing.assert_allclose(waits.odds, expected, rtol=1e-5)


def test_what_is_told_afterwards_counts_as_if_told_in_time() -> None:
    slots = [told([10, 9, 11, 8]) for _ in range(4)]
    whole, pieces = outcomes(), outcomes(retold=True)
    nothing = told([0] * C, wins=0.0, events=[0] * C)
    for t, slot in enumerate(slots):
        whole.update(t, slot, NO_SURGE)
        pieces.update(t, slot._replace(views=0.0 * slot.views), NO_SURGE)
        pieces.add(t, nothing._replace(views=slot.views))
    end = told([10] * C)
    for o in (whole, pieces):
        o.update(4, end, NO_SURGE)
    np.testing.assert_allclose(pieces.odds, whole.odds, rtol=1e-5)
    np.testing.assert_allclose(pieces.estimates(), whole.estimates(), rtol=1e-5)


def test_nothing_is_told_afterwards_where_slots_are_not_kept() -> None:
    with pytest.raises(IndexError, match="retold"):
        outcomes().add(0, told([1] * C))


def test_a_surge_is_judged_by_what_is_beyond_the_usual() -> None:
    """Half of the source's traffic is as ever: half of the views are missing where the surge is bots."""
    bots = run(outcomes(), [told([10, 10, 10, 5.5], excess=0.5)] * 3).surge[0, 3]
    people = run(outcomes(), [told([10, 10, 10, 10], excess=0.5)] * 3).surge[0, 3]
    assert bots > 0.5
    assert people < -2.0


def test_slots_before_the_surge_do_not_speak_for_it() -> None:
    before = [told([10] * C)] * 3
    o = run(outcomes(), [*before, told([10] * C)._replace(excess=np.full((1, C), 0.8))], onset=3)
    alone = run(outcomes(), [told([10] * C, excess=0.8)])
    assert o.views.since[2, 0, 0] == alone.views.since[2, 0, 0] == 10.0


def test_a_new_surge_starts_from_nothing() -> None:
    o = run(outcomes(), [told([10] * C, excess=0.8)] * 3)
    o.restart(np.array([[True, False, False, False]]))
    assert o.surge[0, 0] == 0.0
    assert o.surge[0, 1] < -2.0
    np.testing.assert_array_equal(o.views.since[:, 0, 0], 0.0)


def test_the_estimates_are_shares_of_what_was_told() -> None:
    o = run(outcomes(), [told([10, 10, 10, 0], events=[2, 2, 2, 0])] * 6)
    whole, last, interactions = o.estimates()[:, 0]
    assert last == pytest.approx(0.25, abs=0.01)
    assert 0.12 < whole < 0.25  # the first slots were not known to be invalid
    assert interactions < 0.01
    np.testing.assert_array_equal(outcomes().estimates(), 0.0)


def test_evidence_fades() -> None:
    o = run(outcomes(), [told([10, 10, 10, 0])] * 2)
    before, quiet = o.odds[0, 3], told([10, 10, 10, 0])
    still = quiet._replace(
        **{n: getattr(quiet, n) * [[1, 1, 1, 0]] for n in ("wins", "exposed", "predicted", "events")}
    )
    for t in range(2, 8):
        o.update(t, still, NO_SURGE)
    assert log_odds(0.003) < o.odds[0, 3] < before


def test_calm_slots_within_a_surge_speak_neither_for_it_nor_against() -> None:
    o = run(outcomes(), [told([10] * C, excess=0.8), told([10] * C)])
    alone = run(outcomes(), [told([10] * C, excess=0.8)])
    np.testing.assert_array_equal(o.views.since[2], alone.views.since[2])
    np.testing.assert_array_equal(o.events.since[2], alone.events.since[2])


def test_what_an_earlier_surge_brought_and_is_told_late_does_not_speak_for_the_next() -> None:
    o = outcomes(late=2)
    for t in range(5):  # slots 0 to 2 are told by now; the surge began in slot 2
        o.update(t, told([10] * C, excess=0.8), np.full((1, C), 2))
    np.testing.assert_array_equal(o.views.since[2], 10.0)


def test_the_markets_rate_is_read_off_sources_as_far_as_they_are_trusted() -> None:
    """The fourth brings no views: once it is known, the others are expected to bring what they bring, not less."""
    o = run(outcomes(settings=OutcomeSettings(window=1e9)), [told([10, 10, 10, 0])] * 6)
    before = o.views.day[0].copy()
    o.update(6, told([10, 10, 10, 0]), NO_SURGE)
    expected = o.views.day[0, 0, 0] - 0.99 * before[0, 0]
    assert o.suspicion(np.zeros((1, C)))[0, 3] > 0.999
    assert expected == pytest.approx(10.0, abs=0.5)  # 7.5 where all are trusted alike
