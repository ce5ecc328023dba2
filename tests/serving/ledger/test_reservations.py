"""Reservations run out at their time, each told once, whatever their order and however they were changed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bidpilot.serving.ledger.reservations import Reservation, Reservations

HOLD = 10.0
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["usual", "longer", "again", "won", "remove", "claim", "look"]),
        st.integers(0, 30),
        st.floats(0.0, 5.0),
    ),
    max_size=60,
)


@given(STEPS)
def test_each_runs_out_at_its_time_and_is_told_once(steps: list[tuple[str, int, float]]) -> None:
    held, now = Reservations(), 100.0
    waiting: dict[str, Reservation] = {}  # not told since they were last asked for
    there: dict[str, Reservation] = {}
    for number, (what, which, passed) in enumerate(steps):
        now += passed
        if what in ("usual", "longer"):
            hold = HOLD if what == "usual" else HOLD + 1 + which
            made = Reservation(str(number), "lease", 1, now + hold, None)
            held.add(made, what == "usual")
            waiting[made.key] = there[made.key] = made
            continue
        chosen = list(there.values())[which % len(there)] if there else None
        if what == "look" or chosen is None:
            due = {key for key, one in waiting.items() if one.expires < now}
            assert sorted(one.key for one in held.run_out(now)) == sorted(k for k in due if not there[k].claimed)
            waiting = {key: one for key, one in waiting.items() if key not in due}
        elif what == "again":
            held.ask_again(chosen)
            waiting[chosen.key] = chosen
        elif what == "won":
            if not chosen.won:
                waiting[chosen.key] = chosen
            held.has_won(chosen, now + 2 * HOLD)
        elif what == "claim":
            chosen.claimed = True
        else:
            assert held.remove(chosen)
            waiting.pop(chosen.key, None)
            del there[chosen.key]
        assert held.amount == len(held) == len(there)
    last = {one.key for one in held.run_out(now + 1000.0)}
    assert last == {key for key, one in waiting.items() if not one.claimed}
