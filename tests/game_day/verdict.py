"""What a game day must show, as conditions that hold or do not, and what the faults cost."""

from __future__ import annotations

from dataclasses import dataclass

from bidpilot.serving.incidents.incident import Incident, Level
from bidpilot.serving.ledger.store import MICRO
from tests.game_day.faults import Fault, Shock
from tests.game_day.walk import Played

TOLERANCE = 0.01
"""Share of the value without the guard that the value with it may fall short by: what limits cost by chance."""


@dataclass(frozen=True)
class Condition:
    """One thing that must hold."""

    name: str
    held: bool
    told: str  # what was found


@dataclass(frozen=True)
class Day:
    """The three plays of one day."""

    faults: tuple[Fault, ...]
    clean: Played
    unguarded: Played
    guarded: Played

    @property
    def plays(self) -> tuple[Played, Played, Played]:
        """In the order of the table."""
        return self.clean, self.unguarded, self.guarded

    def lost(self, play: Played) -> float:
        """Currency: the budget's share that the day without faults has made more of."""
        return self.clean.budget * (1.0 - play.value / self.clean.value)


def noticed(fault: Fault, incidents: tuple[Incident, ...]) -> int | None:
    """Slots from the fault's first until it was told, which count from 1; None where it was not while it lasted.

    It is told by an incident of its risks that opens, or by an alarm of one that is open whose window lies wholly in
    the fault. What was told of before it began, or after it was over, is not counted as it.
    """
    last = fault.last if isinstance(fault, Shock) else fault.last + 2  # what a slot tells is late by one, or two
    of_risk = [each for each in incidents if each.risk in fault.risks]
    when = [each.slot for each in of_risk if fault.first <= each.slot <= last]
    alarms = [(a["slot"], a["window"]) for each in of_risk for a in each.alarms if "window" in a]
    when += [int(slot) for slot, window in alarms if slot <= last and slot - window + 1 >= fault.first]
    return min(when) - fault.first + 1 if when else None


def conditions(day: Day) -> list[Condition]:
    """All that must hold, in words."""
    found = []
    for fault in day.faults:
        slots = noticed(fault, day.guarded.incidents)
        told = "not noticed" if slots is None else f"noticed in slot {slots} of it"
        found.append(
            Condition(f"{fault.name} noticed within {fault.bar} slots", slots is not None and slots <= fault.bar, told)
        )
    for play in day.plays:
        found += _money(play)
        orders = "; ".join(play.disobeyed) or "all obeyed, all durable"
        found.append(Condition(f"{play.name}: orders obeyed", not play.disobeyed, orders))
    stops = [each.id for each in day.guarded.incidents if any(step.level >= Level.stop for step in each.steps)]
    found.append(Condition("no level-3 stop", not stops, ", ".join(stops) or "none"))
    least = (1.0 - TOLERANCE) * day.unguarded.value
    lost = [day.lost(play) for play in (day.unguarded, day.guarded)]
    told = f"{lost[0]:.3f} lost without the guard, {lost[1]:.3f} with it"
    found.append(Condition("the guard costs no value, but for a hundredth", day.guarded.value >= least, told))
    return found


def _money(play: Played) -> list[Condition]:
    """That the ledger is what the exchanges count, to the micro-unit, and within the budget."""
    books, account = play.books, play.account
    same = (account.settled, account.won, account.debt) == (books.billed, books.owed, 0) and not play.unanswered
    told = (
        f"settled {account.settled} of {books.billed} billed, held for wins {account.won} of {books.owed} owed, "
        f"debt {account.debt}, {play.unanswered} notices never booked"
    )
    return [
        Condition(f"{play.name}: no micro-unit lost", same, told),
        Condition(
            f"{play.name}: never above the budget, wins counted as owed",
            play.worst <= 0,
            f"at most {play.worst / MICRO:+.6f} beyond it",
        ),
    ]


def missed(found: list[Condition]) -> list[Condition]:
    """Those that do not hold."""
    return [condition for condition in found if not condition.held]
