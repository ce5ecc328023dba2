"""Heat maps: an incident is where and when it was, once an hour."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidpilot.bidding.campaign.segments import channel_index
from bidpilot.bidding.watch.alarm import Risk
from bidpilot.bidding.watch.heat import RISKS, heat, slot_hours
from bidpilot.serving.incidents.incident import Incident, Level, Target

SEGMENTS = ("feed/head", "feed/tail", "search/head", "search/tail")
CHANNELS = channel_index(SEGMENTS)


def incident(risk: Risk, slot: int, target: Target | None = None, *alarms: dict[str, Any]) -> dict[str, Any]:
    made = Incident(
        id="one",
        risk=risk,
        campaign="default",
        target=target or Target(kind="campaign"),
        day=date(2026, 1, 5),
        slot=slot,
        level=Level.none,
        alarms=alarms,
    )
    return made.model_dump()


def test_a_segments_incident_heats_its_channel_from_the_first_slot_of_its_window_to_the_last_alarm() -> None:
    told = incident(
        Risk.platform_shock, 20, Target(kind="segment", index=3), {"slot": 20, "window": 4}, {"slot": 23, "window": 1}
    )
    found = heat([told], CHANNELS, slot_hours(48))
    assert found.shape == (len(RISKS), 2, 24)
    (where,) = np.nonzero(found[RISKS.index(Risk.platform_shock), 1])
    assert where.tolist() == [8, 9, 10, 11]  # slots 17 to 23
    assert found.sum() == 4


def test_what_an_event_of_the_server_tells_of_is_of_its_slots_alone() -> None:
    told = incident(Risk.store_failure, 20, None, {"slot": 20, "events": 3}, {"slot": 25, "events": 9})
    found = heat([told], CHANNELS, slot_hours(48))
    assert np.nonzero(found[RISKS.index(Risk.store_failure), 0])[0].tolist() == [10, 11, 12]


@pytest.mark.parametrize("kind", ["campaign", "source", "bidder"])
def test_what_is_of_no_segment_heats_all_channels(kind: Any) -> None:
    index = 2 if kind == "source" else None
    found = heat([incident(Risk.store_failure, 30, Target(kind=kind, index=index))], CHANNELS, slot_hours(48))
    np.testing.assert_array_equal(found[RISKS.index(Risk.store_failure), :, 15], [1, 1])
    assert found.sum() == 2


@given(
    st.lists(st.tuples(st.sampled_from(RISKS), st.integers(0, 47), st.integers(0, 47), st.integers(1, 16)), max_size=12)
)
def test_each_incident_is_in_the_hour_that_it_was_noticed_in_and_counts_once_an_hour(
    drawn: list[tuple[Risk, int, int, int]],
) -> None:
    told = [incident(risk, slot, None, {"slot": last, "window": window}) for risk, slot, last, window in drawn]
    found = heat(told, CHANNELS, slot_hours(48))
    for risk in RISKS:
        of_risk = [each for each in drawn if each[0] == risk]
        assert (found[RISKS.index(risk)] <= len(of_risk)).all()
        for _, slot, _, _ in of_risk:
            assert (found[RISKS.index(risk), :, slot // 2] >= 1).all()
    assert (found.sum() == 0) == (not drawn)
