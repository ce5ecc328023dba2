"""Plays an incident again: alarms and operators in, the state machine's own steps out, held against its file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bidpilot.bidding.errors import InvalidIncident
from bidpilot.serving.incidents.incident import Action, Incident, Level, Step
from bidpilot.serving.incidents.machine import MOST_ALARMS, Machine, Noticed
from bidpilot.serving.incidents.policy import ResponsePolicy

_SERVER = ("server", "deadline")
_TOLERANCE = 60.0  # seconds: the server looks at its clock every so often
_BY_HAND = {Action.acknowledged: "acknowledge", Action.undone: "undo", Action.closed: "close"}


@dataclass(frozen=True)
class Replayed:
    """What came out, beside what the file tells."""

    id: str
    steps: tuple[str, ...]  # of the file: action, level and who
    again: tuple[str, ...]
    differs: str  # the first difference, in words; empty where there is none
    played: Incident

    @property
    def same(self) -> bool:
        """Whether the same steps came out."""
        return not self.differs


def replay(incident: Incident, policy: ResponsePolicy) -> Replayed:
    """Play an incident again under a policy.

    Time passes between what was noticed and what operators did as it did then; what deadlines and quiet bring is the
    machine's own.

    Raises:
        InvalidIncident: its file does not hold all its alarms.
    """
    if len(incident.alarms) >= MOST_ALARMS or not incident.alarms:
        raise InvalidIncident(
            f"{incident.id} keeps its last {len(incident.alarms)} alarms, and not how it began. Shorter ones can be "
            "played again."
        )
    machine = Machine(policy, incident.slot_seconds)
    steps = [step for step in incident.steps if step.action is not Action.told]
    until = max([step.at for step in steps] + [a["at"] for a in incident.alarms])
    played, since = None, 0.0
    for at, what in _timeline(incident, steps):
        if played is not None:
            played = _pass(machine, played, since, at)
        played, since = _next(machine, incident, played, at, what), at
    assert played is not None
    played = _pass(machine, played, since, until + _TOLERANCE / 2)
    again = [step for step in played.steps if step.action is not Action.told]
    return Replayed(incident.id, tuple(map(_text, steps)), tuple(map(_text, again)), _difference(steps, again), played)


def _timeline(incident: Incident, steps: list[Step]) -> Iterator[tuple[float, dict[str, Any] | Step]]:
    """What came from outside, in order; of one moment first what was noticed."""
    events: list[tuple[float, int, dict[str, Any] | Step]] = [(a["at"], 0, a) for a in incident.alarms]
    events += [(step.at, 1, step) for step in steps if step.by not in _SERVER]
    for at, _, what in sorted(events, key=lambda event: event[:2]):
        yield at, what


def _pass(machine: Machine, incident: Incident, since: float, until: float) -> Incident:
    """Let time pass, by what is due in between."""
    while (due := machine.due(incident, since)) is not None and due <= until:
        tended = machine.tend(incident, due)
        if tended is incident:
            break
        incident, since = tended, due
    return incident


def _next(
    machine: Machine, incident: Incident, played: Incident | None, at: float, what: dict[str, Any] | Step
) -> Incident:
    if isinstance(what, Step):
        return played if played is None else _by_hand(machine, played, what)  # type: ignore[return-value]
    if what.get("lasts") and played is not None:
        return machine.lasts(played, at, what["slot"], what["score"], what["threshold"])
    evidence = {name: value for name, value in what.items() if name not in ("at", "least", "lasts")}
    words = what.get("explanation") or incident.explanation
    noticed = Noticed(
        incident.risk, incident.campaign, incident.target, what["slot"], words, evidence, Level(what.get("least", 0))
    )
    if played is None:
        return machine.open(noticed, at, incident.id, incident.day, incident.bundle)
    return machine.hear(played, noticed, at)


def _by_hand(machine: Machine, played: Incident, step: Step) -> Incident:
    try:
        if step.action is Action.extended:
            return machine.extend(played, step.at, step.by, float(step.evidence["hours"]), step.cause)
        if step.action in _BY_HAND:
            acted: Incident = getattr(machine, _BY_HAND[step.action])(played, step.at, step.by, step.cause)
            return acted
    except InvalidIncident:
        pass  # nothing holds that could be undone: the difference is told
    return played


def _text(step: Step) -> str:
    return f"{step.action} {step.level.value} {step.by}"


def _difference(steps: list[Step], again: list[Step]) -> str:
    for k, (then, now) in enumerate(zip(steps, again, strict=False)):
        if _text(then) != _text(now):
            return f"step {k} was {_text(then)!r} and is {_text(now)!r}"
        if abs(then.at - now.at) > _TOLERANCE:
            return f"step {k}, {_text(then)!r}, comes {now.at - then.at:+.0f} s from when it came"
    if len(steps) != len(again):
        more, which = (steps, "no longer") if len(steps) > len(again) else (again, "only now")
        return f"step {min(len(steps), len(again))}, {_text(more[min(len(steps), len(again))])!r}, comes {which}"
    return ""


def against_log(incident: Incident, folder: Path) -> str:
    """How the slots of an incident's file differ from the decision log's; empty where they do not.

    Compared are the requests and wins of its campaign by slot: the log has a row for each request, and what it cost
    once it was billed.

    Raises:
        InvalidIncident: the folder holds no decision log.
    """
    import polars as pl

    files = sorted(folder.glob("decisions-*.parquet"))
    if not files:
        raise InvalidIncident(f"{folder} holds no decisions-*.parquet. Give that of `serve --decisions`.")
    rows = pl.scan_parquet(files).filter(pl.col("campaign") == incident.campaign)
    counted = (
        rows.group_by("date", "slot")
        .agg(pl.len().alias("requests"), (pl.col("result") == "won").sum().alias("wins"))
        .collect()
    )
    logged = {(row["date"], row["slot"]): row for row in counted.iter_rows(named=True)}
    differs = []
    for row in incident.slots:
        found = logged.get((row["date"], row["slot"]), {"requests": 0, "wins": 0})
        if (found["requests"], found["wins"]) != (row["requests"], row["wins"]):
            differs.append(f"{row['date']} slot {row['slot']}: {found['requests']} requests, {found['wins']} wins")
    return "" if not differs else f"{len(differs)} of {len(incident.slots)} slots are others in the log: {differs[0]}"
