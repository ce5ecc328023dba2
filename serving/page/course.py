"""What the rule was in each slot of a running day.

After a restart the slots are played again, and so it is back, but for what bids were outstanding when each slot began.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from bidpilot.bidding.rule import Rule


class Held(NamedTuple):
    """What held in one slot."""

    alpha: list[float]  # (3,) currency per unit of KPI
    multiplier: list[float]  # (S,)
    planned: bool  # whether the plan took the policy's place
    shadow: list[float] | None  # (3,) what the shadow would have bid by; None without one


class Course:
    """The rules of one campaign's day, by slot."""

    def __init__(self) -> None:
        self._held: dict[int, Held] = {}

    def note(self, slot: int, rule: Rule, planned: bool, shadow: Rule | None) -> None:
        """A slot begins with a rule of one row, and with the shadow's beside it."""
        other = None if shadow is None else shadow.alpha[0].tolist()
        self._held[slot] = Held(rule.alpha[0].tolist(), rule.multiplier[0].tolist(), planned, other)

    def at(self, slot: int) -> Held | None:
        """What held in a slot; None where it has not begun."""
        return self._held.get(slot)

    def columns(self, slots: int) -> dict[str, list[Any]]:
        """The first `slots` slots, one list per field; None where nothing held."""
        held = [self._held.get(slot) for slot in range(slots)]
        return {name: [None if h is None else getattr(h, name) for h in held] for name in Held._fields}
