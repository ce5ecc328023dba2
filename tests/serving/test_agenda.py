"""Work in small steps: each in its turn, none before its time, and all of it where there is no time left."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidpilot.serving.agenda import Agenda, Steps


def job(name: str, done: list[str], *dues: float | None) -> Steps:
    for k, due in enumerate(dues):
        done.append(f"{name}{k}")
        yield due
    done.append(f"{name} ends")


def test_pieces_of_work_take_turns() -> None:
    agenda, done = Agenda(), list[str]()
    agenda.add(job("a", done, None, None))
    agenda.add(job("b", done, None))
    agenda.drain(0.0)
    assert done == ["a0", "b0", "a1", "b ends", "a ends"]
    assert not agenda


def test_a_step_is_made_a_turn() -> None:
    agenda, done = Agenda(), list[str]()
    agenda.add(job("a", done, None))
    assert agenda.turn(0.0)
    assert done == ["a0"]
    assert agenda.turn(0.0)
    assert done == ["a0", "a ends"]
    assert not agenda.turn(0.0)


@given(dues=st.lists(st.floats(0, 10), max_size=8), now=st.floats(0, 10))
def test_nothing_goes_on_before_its_time(dues: list[float], now: float) -> None:
    agenda, done = Agenda(), list[str]()
    for k, due in enumerate(dues):
        agenda.add(job(f"{k}:", done, due))
    agenda.drain(-1.0)
    assert len(done) == len(agenda) == len(dues)
    agenda.drain(now)
    assert {line for line in done if line.endswith("ends")} == {
        f"{k}: ends" for k, due in enumerate(dues) if due <= now
    }
    assert len(agenda) == sum(due > now for due in dues)


def test_finishing_hurries_what_waits() -> None:
    agenda, seen = Agenda(), list[bool]()

    def patient() -> Steps:
        while not agenda.hurried:
            yield 5.0
        seen.append(agenda.hurried)

    agenda.add(patient())
    agenda.drain(4.0)
    assert not seen
    agenda.finish()
    assert seen == [True]
    assert not agenda
    assert not agenda.hurried


def test_what_work_raises_ends_it_and_no_other() -> None:
    agenda, done = Agenda(), list[str]()

    def bad() -> Steps:
        yield None
        raise ValueError("no")

    agenda.add(bad())
    agenda.add(job("a", done, None))
    with pytest.raises(ValueError, match="no"):
        agenda.drain(0.0)
    agenda.drain(0.0)
    assert done == ["a0", "a ends"]
