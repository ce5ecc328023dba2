"""What an event's address may tell, what it counts for, and that each type is told of a bid once."""

from __future__ import annotations

import pytest

from bidpilot.bidding.campaign.profile import FunnelWeights
from bidpilot.bidding.errors import InvalidNotice
from bidpilot.bidding.event import EVENTS, Event
from bidpilot.serving.notices import Ticket
from bidpilot.serving.told import Told, ToldEvents, read_told

WEIGHTS = FunnelWeights(like=1.0, comment=3.0, share=4.0, follow=5.0, completion=0.25)
HOUR = 3600.0


def ticket(key: int, day: str = "2026-01-01", expires: float = 0.0) -> Ticket:
    return Ticket(
        key=f"{key:018x}", lease="01" * 6, account=f"c@{day}", amount=1, expires=expires, slot=0, segment=0, source=0,
        value=(0.5, 0.25, 0.125),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("t=a.b&e=view", Told("view")),
        ("t=a.b&e=like&n=2", Told("like", 2)),
        ("t=a.b&e=share&n=255", Told("share", 255)),
        ("t=a.b&e=convert&v=49.5", Told("convert", 1, 49.5)),
        ("t=a.b&e=convert&n=2&v=0", Told("convert", 2, 0.0)),
        ("t=a.b&i=3&c=1", Told(interaction=3.0, conversion=1.0)),
        ("t=a.b&i=2.5", Told(interaction=2.5)),
        ("t=a.b&i=1e9&c=1e9", Told(interaction=1e6, conversion=1e3)),
        ("t=a.b&i=${COUNT}&c=nan", Told()),
        ("t=a.b", Told()),
    ],
)
def test_an_event_is_read(query: str, told: Told) -> None:
    assert read_told(query) == told


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("e=click", r"type e is 'click'\. Tell one of: view, complete, like, comment, share, follow, convert\."),
        ("e=", "type e is ''"),
        ("e=None", "type e is 'None'"),
        ("e=${EVENT}", r"type e is '\$\{EVENT\}'"),
        ("n=2", "type e is ''"),
        ("v=2", "type e is ''"),
        ("e=like&n=0", "count n is 0. Tell a whole number from 1 to 255"),
        ("e=like&n=256", "count n is 256"),
        ("e=like&n=-1", "count n is -1"),
        ("e=like&n=1.5", r"count n is '1\.5'\. Tell a whole number"),
        ("e=like&n=inf", "count n is 'inf'"),
        ("e=like&n=", "count n is ''"),
        ("e=convert&v=-0.5", r"value v is -0\.5\. Tell a finite number, 0 or more"),
        ("e=convert&v=nan", "value v is nan"),
        ("e=convert&v=inf", "value v is inf"),
        ("e=convert&v=much", "value v is 'much'. Tell a number"),
        ("e=like&v=1", r"like has a value v, 1\.0\. Tell one of convert only"),
        ("e=like&i=1", "both e and i"),
        ("e=like&n=1&c=1", "both e n and c"),
        ("i=-1", "negative number, -1"),
        ("c=-0.5", "negative number, -0.5"),
    ],
)
def test_an_event_that_cannot_be_is_refused_with_its_value_and_a_remedy(query: str, why: str) -> None:
    with pytest.raises(InvalidNotice, match=why):
        read_told(f"t=a.b&{query}")


def test_totals_told_in_the_process_are_checked_too() -> None:
    with pytest.raises(InvalidNotice, match="interactions i is nan"):
        Told(interaction=float("nan"))
    with pytest.raises(InvalidNotice, match="conversions c is -1"):
        Told(conversion=-1.0)


@pytest.mark.parametrize(
    ("event", "interaction", "conversion"),
    [
        ("view", 0.0, 0.0),
        ("complete", 0.5, 0.0),
        ("like", 2.0, 0.0),
        ("comment", 6.0, 0.0),
        ("share", 8.0, 0.0),
        ("follow", 10.0, 0.0),
        ("convert", 0.0, 2.0),
    ],
)
def test_two_events_count_for_twice_their_weight(event: Event, interaction: float, conversion: float) -> None:
    weighed = Told(event, 2).weighed(WEIGHTS)
    assert (weighed.interaction, weighed.conversion) == (interaction, conversion)
    assert (weighed.event, weighed.count) == (event, 2)


def test_an_untyped_outcome_weighs_what_it_says() -> None:
    told = Told(interaction=2.5, conversion=1.0)
    assert told.weighed(WEIGHTS) == told


def test_each_type_is_told_of_a_bid_once() -> None:
    memory = ToldEvents(HOUR)
    for kind in (*EVENTS, None):
        assert memory.first(ticket(1), kind)
    for kind in (*EVENTS, None):
        assert not memory.first(ticket(1), kind)
        assert memory.first(ticket(2), kind)
    assert len(memory) == 2


def test_beyond_what_is_remembered_of_a_day_the_bid_told_of_first_is_forgotten() -> None:
    memory = ToldEvents(HOUR, most=2)
    for key in (1, 2, 3):
        assert memory.first(ticket(key), "like")
        assert memory.first(ticket(9, day="2026-01-02"), "like") is (key == 1)  # another day has room of its own
    assert len(memory) == 3
    assert not memory.first(ticket(3), "like")
    assert memory.first(ticket(3), "view")  # known already: nobody need go
    assert not memory.first(ticket(2), "like")
    assert memory.first(ticket(1), "like")


def test_the_memory_of_a_day_goes_when_its_last_bid_is_no_longer_listened_for() -> None:
    memory = ToldEvents(HOUR)
    early, late = ticket(1, expires=100.0), ticket(2, expires=200.0)
    assert memory.first(early, "like")
    assert memory.first(late, "like")
    assert memory.first(ticket(3, day="2026-01-02", expires=300.0), "like")
    assert (memory.listens(early, 100.0 + HOUR), memory.listens(early, 100.5 + HOUR)) == (True, False)
    memory.forget(200.0 + HOUR)
    assert len(memory) == 3
    memory.forget(200.5 + HOUR)
    assert len(memory) == 1
