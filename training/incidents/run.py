"""`bidpilot incidents`: the case library on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from bidpilot.bidding.errors import InvalidConfig
from bidpilot.serving.incidents.incident import Incident
from bidpilot.serving.incidents.policy import read_policy
from bidpilot.training.incidents import report
from bidpilot.training.incidents.config import IncidentsConfig
from bidpilot.training.incidents.learn import learn
from bidpilot.training.incidents.library import Library, verdict_of
from bidpilot.training.incidents.replay import against_log, replay
from bidpilot.training.incidents.rule import alarms_again, bands_of, compared
from bidpilot.training.report.files import write_json

if TYPE_CHECKING:
    from bidpilot.training.incidents.honest import HonestRow


def run(config: IncidentsConfig) -> dict[str, Any]:
    """Do what is asked; print it, and write it as JSON where a file is given.

    Raises:
        UnknownIncident, InvalidIncident: there is none of this name, or a file cannot be read.
        InvalidConfig: options do not go together.
    """
    console = Console()
    if config.action == "honest":
        rows = _honest(config, console)
        write_json(config.json_file, rows)
        return {"suites": rows}
    library = Library(config.state)
    does: dict[str, Callable[[IncidentsConfig, Library, Console], dict[str, Any]]] = {
        "list": _list,
        "show": _show,
        "replay": _replay,
        "report": _report,
        "review": _review,
        "learn": _learn,
    }
    found = does[config.action](config, library, console)
    write_json(config.json_file, found)
    return found


def _honest(config: IncidentsConfig, console: Console) -> list[HonestRow]:
    # markets and agents load only where days are played
    from bidpilot.training.alerts.cases import Ground
    from bidpilot.training.evaluation.suites import named_suites
    from bidpilot.training.incidents.honest import HONEST, honest

    policy, ground = read_policy(config.responses), Ground(config.days, config.training_days, config.seed)
    rows = [honest(record, ground, policy) for record in named_suites(config.suites, HONEST)]
    table = Table(box=None)
    for name in ("suite", "days", "incidents a day", "any, %", "throttled, %", "paused, %", "stopped, %"):
        table.add_column(name, justify="left" if name == "suite" else "right")
    for row in rows:
        shares = (f"{100 * row[level]:.1f}" for level in ("told", "throttled", "paused", "stopped"))
        table.add_row(row["suite"], str(row["days"]), f"{row['incidents']:.2f}", *shares)
    console.print(table)
    return rows


def _today(config: IncidentsConfig) -> date:
    return config.today or datetime.now(UTC).date()


def _list(config: IncidentsConfig, library: Library, console: Console) -> dict[str, Any]:
    _table(console, library.some(config.id))
    return {"incidents": [_short(one) for one in library.some(config.id)]}


def _table(console: Console, incidents: Sequence[Incident]) -> None:
    table = Table(box=None)
    for name in ("incident", "level", "role", "until", "opened", "steps", "review"):
        table.add_column(name, overflow="fold")
    for one in incidents:
        until = "over" if not one.open else "-" if one.deadline is None else _at(one.deadline)
        if one.acknowledged:
            until = "acknowledged"
        review = verdict_of(one) or ("" if one.review_due is None else str(one.review_due))
        level = str(max(step.level for step in one.steps).value if not one.open else one.level.value)
        table.add_row(one.id, level, one.role, until, _at(one.steps[0].at), str(len(one.steps)), review)
    console.print(table)
    console.print(f"{len(incidents)} incidents, {sum(one.open for one in incidents)} open")


def _short(one: Incident) -> dict[str, Any]:
    return one.model_dump(mode="json", exclude={"slots", "alarms", "steps"}) | {"steps": len(one.steps)}


def _at(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"


def _show(config: IncidentsConfig, library: Library, console: Console) -> dict[str, Any]:
    if config.id is None:
        raise InvalidConfig("show needs the name of an incident: bidpilot incidents show ID")
    (one,) = library.some(config.id)
    whole = one.model_dump(mode="json")
    console.print_json(json.dumps(whole))
    return whole


def _replay(config: IncidentsConfig, library: Library, console: Console) -> dict[str, Any]:
    policy, results = read_policy(config.responses), []
    bands = None if config.bundle is None else bands_of(config.bundle)
    for one in library.some(config.id):
        again = replay(one, policy)
        log = "" if config.decisions is None else against_log(one, config.decisions)
        rule = "" if bands is None or not one.slots else compared(one, alarms_again(one, bands))
        words = [part for part in ("the same steps" if again.same else again.differs, rule, log) if part]
        console.print(f"{one.id}: {'; '.join(words)}", markup=False, highlight=False, soft_wrap=True)
        results.append({"id": one.id, "same": again.same, "differs": again.differs, "rule": rule, "log": log})
    same = sum(bool(result["same"]) for result in results)
    console.print(f"{same} of {len(results)} play again as they were")
    return {"replayed": results, "same": same}


def _report(config: IncidentsConfig, library: Library, console: Console) -> dict[str, Any]:
    path = report.write(config.out, library.some(config.id), _today(config))
    console.print(f"{path} tells of {len(library.some(config.id))} incidents", soft_wrap=True)
    return {"report": str(path)}


def _review(config: IncidentsConfig, library: Library, console: Console) -> dict[str, Any]:
    if config.id is None or config.verdict is None:
        if config.verdict is not None or config.note:
            raise InvalidConfig("a verdict is of one incident: bidpilot incidents review ID --verdict real")
        waiting = report.due(library.some(config.id), _today(config))
        _table(console, waiting)
        return {"due": [one.id for one in waiting]}
    (one,) = library.some(config.id)
    if one.open:
        raise InvalidConfig(f"{one.id} goes on. Close it first: POST /admin/incidents/{one.id}/close")
    outcome = config.verdict + (f": {config.note}" if config.note else "")
    library.keep(one.model_copy(update={"outcome": outcome}))
    console.print(f"{one.id}: {outcome}", markup=False, highlight=False, soft_wrap=True)
    return {"id": one.id, "outcome": outcome}


def _learn(config: IncidentsConfig, library: Library, console: Console) -> dict[str, Any]:
    policy, lessons = read_policy(config.responses), learn(library.some(config.id), config.most_delay)
    table = Table(box=None)
    for name in ("rule", "factor", "false alarms", "silenced", "real", "latest by, slots", "no verdict", "not opened"):
        table.add_column(name)
    for one in lessons:
        numbers = one.false, one.silenced, one.real, f"{one.delay:g}", one.unreviewed, one.unopened
        table.add_row(one.rule, f"{one.factor:g}", *map(str, numbers))
    console.print(table)
    factors = {one.rule: one.factor for one in lessons if one.factor > 1.0}
    learnt = policy.model_copy(update={"factors": {**policy.factors, **factors}})
    if config.apply is None:
        console.print("nothing is written; --apply FILE writes it for `bidpilot serve --responses FILE`")
    else:
        write_json(config.apply, learnt.model_dump(mode="json", exclude_defaults=True))
        console.print(f"{config.apply} has {len(factors)} factors that were learnt", soft_wrap=True)
    return {"lessons": [one.summary() for one in lessons], "applied": config.apply is not None}
