"""What is printed of a game day: the timeline, the money, the conditions and the verdict."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np

from bidpilot.serving.calendar import DAY
from bidpilot.serving.incidents.incident import Action, Incident, Step
from bidpilot.serving.ledger.store import MICRO
from tests.game_day.faults import Fault
from tests.game_day.verdict import Condition, Day, conditions, missed, noticed
from tests.game_day.walk import Played

_SLOTS = 48
_WIDE = 170  # columns


def timeline(faults: tuple[Fault, ...], incidents: tuple[Incident, ...], start: float) -> str:
    """What was noticed, done and undone, and when faults began and ended: slot, time, what, cause, undo."""
    lines = [(fault.first * DAY / _SLOTS, 0, f"    {fault.name.upper()} begins") for fault in faults]
    lines += [
        ((fault.last + 1) * DAY / _SLOTS, 0, f"    {fault.name.upper()} ends")
        for fault in faults
        if fault.last + 1 < _SLOTS
    ]
    for n, incident in enumerate(incidents, 1):
        lines += [(step.at - start, 1, _step(n, incident, step)) for step in incident.steps]
        again = [alarm for alarm in incident.alarms[1:] if "window" in alarm]  # of an incident that is open already
        lines += [(alarm["at"] - start, 1, _again(n, incident, alarm)) for alarm in again]
    lines.sort(key=lambda line: line[:2])
    title = f"{'slot':>4}  {'time':<5}      {'incident':<28}{'action':<14}{'level':<7}{'undo':<9}cause"
    return "\n".join([title, *(f"{_slot(at):>4}  {_time(start + at)}  {text}"[:_WIDE] for at, _, text in lines)])


def _slot(seconds: float) -> int:
    return int(seconds // (DAY / _SLOTS))


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M")


def _step(number: int, incident: Incident, step: Step) -> str:
    target = (
        incident.target.kind if incident.target.index is None else f"{incident.target.kind} {incident.target.index}"
    )
    name = f"#{number} {incident.risk.value}" + ("" if target in ("campaign", "bidder") else f", {target}")
    by = f" ({step.by})" if step.by not in ("server", "operator") else ""
    undo = "" if step.undo is None else ", ".join(f"{k} {int(v) if k == 'level' else v}" for k, v in step.undo.items())
    cause = step.cause or (incident.explanation if step.action is Action.opened else "")
    return f"    {name:<28}{step.action.value + by:<14}{int(step.level):<7}{undo:<9}{cause}"


def _again(number: int, incident: Incident, alarm: dict[str, Any]) -> str:
    return f"    {f'#{number} {incident.risk.value}':<28}{'heard again':<14}{'':<16}{alarm.get('explanation', '')}"


def money(day: Day) -> str:
    """What each play spent, wasted and brought, and what the faults cost."""
    rows: list[tuple[str, Callable[[Played], str]]] = [
        ("spent at market prices", lambda p: f"{p.books.spend.sum() / MICRO:.3f}"),
        ("  of it on bots", lambda p: f"{p.books.wasted.sum() / MICRO:.3f}"),
        ("held for wins without bills, at most", lambda p: f"{p.books.unbilled_most / MICRO:.3f}"),
        ("  of it when the day ended", lambda p: f"{p.account.won / MICRO:.3f}"),
        ("exposures", lambda p: _kpi(p, 0)),
        ("interactions", lambda p: _kpi(p, 1)),
        ("conversions", lambda p: _kpi(p, 2)),
        ("value against the day without faults", lambda p: f"{p.value / day.clean.value:.2%}"),
        ("money lost against it", lambda p: f"{day.lost(p):.3f}"),
    ]
    names = "".join(f"{play.name:>22}" for play in day.plays)
    lines = [f"{f'a budget of {day.clean.budget:g}':<40}{names}"]
    lines += [f"{name:<40}" + "".join(f"{of(play):>22}" for play in day.plays) for name, of in rows]
    return "\n".join(lines)


def _kpi(play: Played, j: int) -> str:
    return f"{float(np.sum(play.books.value[:, j])):.2f}"


def listed(found: list[Condition]) -> str:
    """Each condition, and what was found."""
    return "\n".join(f"{'held  ' if c.held else 'MISSED'}  {c.name}: {c.told}" for c in found)


def by_fault(single: list[Day]) -> str:
    """What each fault costs where it is the only one of its day; empty where none was played so."""
    if not single:
        return ""
    lines = [f"{'money lost to one fault alone':<40}{'no guard':>22}{'guard':>22}"]
    lines += [
        f"  {day.faults[0].name:<38}{day.lost(day.unguarded):>22.3f}{day.lost(day.guarded):>22.3f}" for day in single
    ]
    return "\n".join(lines)


def as_rows(day: Day, single: list[Day], found: list[Condition]) -> list[dict[str, Any]]:
    """Faults, plays and conditions, for a file of JSON rows."""
    costs = {one.faults[0].name: (one.lost(one.unguarded), one.lost(one.guarded)) for one in single}
    faults = [
        {
            "fault": fault.name,
            "first": fault.first,
            "last": fault.last,
            "bar": fault.bar,
            "noticed": noticed(fault, day.guarded.incidents),
            "alone_unguarded": costs.get(fault.name, (None, None))[0],
            "alone_guarded": costs.get(fault.name, (None, None))[1],
        }
        for fault in day.faults
    ]
    plays = [
        {
            "play": play.name,
            "budget": play.budget,
            "spent": int(play.books.spend.sum()) / MICRO,
            "wasted": int(play.books.wasted.sum()) / MICRO,
            "held": play.books.unbilled_most / MICRO,
            "value": play.value / day.clean.value,
            "lost": day.lost(play),
        }
        for play in day.plays
    ]
    return [*faults, *plays, *({"condition": c.name, "held": c.held, "told": c.told} for c in found)]


def over_days(fault: Fault, days: list[Day]) -> dict[str, Any]:
    """How many days noticed a fault, how many in time, and the median slot of those that did."""
    found = [slots for day in days if (slots := noticed(fault, day.guarded.incidents)) is not None]
    return {
        "fault": fault.name,
        "bar": fault.bar,
        "days": len(days),
        "found": len(found),
        "in_time": sum(slots <= fault.bar for slots in found),
        "median": float(np.median(found)) if found else None,
    }


def sum_of(days: list[Day]) -> dict[str, Any]:
    """What several game days come to; money a day, currency."""
    met = [conditions(day) for day in days]
    return {
        "days": len(days),
        "passed": sum(not missed(found) for found in met),
        "budget": days[0].clean.budget,
        "unguarded": float(np.mean([day.lost(day.unguarded) for day in days])),
        "guarded": float(np.mean([day.lost(day.guarded) for day in days])),
        "stops": sum(not c.held for found in met for c in found if c.name == "no level-3 stop"),
        "money_held": all(c.held for found in met for c in found if "micro-unit" in c.name or "budget" in c.name),
    }


def verdict(day: Day, found: list[Condition]) -> str:
    """The last line."""
    short = missed(found)
    if short:
        return f"game day: failed: {'; '.join(f'{c.name} ({c.told})' for c in short)}"
    lost = [day.lost(play) for play in (day.unguarded, day.guarded)]
    return (
        f"game day: passed, {len(found)} conditions held; of a budget of {day.clean.budget:g} the faults cost "
        f"{lost[0]:.3f} without the guard and {lost[1]:.3f} with it"
    )
