"""Budgets are applied all or none, and never add up to more than before or after on the way."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidpilot.bidding.errors import BudgetsNotApplied, ServerRefused, ServerUnavailable
from bidpilot.training.rebalance.apply import apply
from bidpilot.training.rebalance.night import Change

TOMORROW = date(2026, 12, 2)


class Server:
    """Keeps budgets; fails at the calls that are named, before or after it has taken them."""

    def __init__(self, budgets: dict[str, float], fails: dict[int, str] | None = None) -> None:
        self.budgets, self.fails = dict(budgets), fails or {}
        self.calls, self.most = 0, sum(budgets.values())

    def plan_budget(self, name: str, budget: float, since: date) -> bool:
        assert since == TOMORROW
        fails = self.fails.get(self.calls)
        self.calls += 1
        if fails == "refused":
            raise ServerRefused("it does not want to")
        if fails != "unreachable":
            self.budgets[name] = budget
            self.most = max(self.most, sum(self.budgets.values()))
        if fails is not None:
            raise ServerUnavailable("no answer")
        return name != "slow"


def changes(before: dict[str, float], after: dict[str, float]) -> list[Change]:
    return [Change(name, 0.0, before[name], after[name], ()) for name in before]


amounts = st.dictionaries(st.sampled_from("abcdefg"), st.tuples(st.floats(0, 100), st.floats(0, 100)), min_size=1)


@given(amounts, st.integers(0, 6), st.sampled_from([None, "refused", "unreachable", "lost"]))
@settings(max_examples=300)
def test_all_are_applied_or_none_and_no_sum_is_passed(
    given: dict[str, tuple[float, float]], at: int, fails: str | None
) -> None:
    before = {name: b for name, (b, _) in given.items()}
    after = {name: a for name, (_, a) in given.items()}
    server = Server(before, {} if fails is None else {at: fails})
    needed = sum(change.needed for change in changes(before, after))
    if fails is not None and at < needed:
        with pytest.raises(BudgetsNotApplied, match="is set back"):
            apply(server, changes(before, after), TOMORROW)  # type: ignore[arg-type]
        assert server.budgets == pytest.approx(before)
    else:
        assert apply(server, changes(before, after), TOMORROW) == []  # type: ignore[arg-type]
        assert server.budgets == pytest.approx(after, abs=1e-6)
        assert server.calls == needed
    assert server.most <= max(sum(before.values()), sum(after.values())) + 1e-5


def test_what_could_not_be_set_back_is_named() -> None:
    before, after = {"a": 10.0, "b": 20.0, "c": 30.0}, {"a": 5.0, "b": 18.0, "c": 37.0}
    server = Server(before, {2: "refused", 3: "unreachable"})
    with pytest.raises(BudgetsNotApplied, match=r"budget of c for 2026-12-02 .*; the budgets of b may have changed"):
        apply(server, changes(before, after), TOMORROW)  # type: ignore[arg-type]
    assert server.budgets == {"a": 10.0, "b": 18.0, "c": 30.0}


def test_one_without_an_answer_may_have_been_taken_and_is_set_back_too() -> None:
    server = Server({"a": 10.0}, {0: "lost"})
    with pytest.raises(BudgetsNotApplied, match="is set back"):
        apply(server, changes({"a": 10.0}, {"a": 12.0}), TOMORROW)  # type: ignore[arg-type]
    assert server.budgets == {"a": 10.0}


def test_what_is_in_force_and_not_durable_is_named() -> None:
    server = Server({"slow": 10.0, "a": 1.0})
    found = apply(server, changes({"slow": 10.0, "a": 1.0}, {"slow": 12.0, "a": 2.0}), TOMORROW)  # type: ignore[arg-type]
    assert found == ["slow"]
