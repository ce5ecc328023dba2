"""The incident files that an import heeds: which slots of which campaigns lay under each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from bidpilot.bidding.errors import UnreadableFile
from bidpilot.bidding.watch.alarm import Risk
from bidpilot.envs.logs.files import find_files
from bidpilot.envs.logs.incidents import UnderIncident
from bidpilot.serving.incidents.files import FOLDER
from bidpilot.serving.incidents.incident import Action, Incident


def beside(files: Sequence[Path]) -> list[Path]:
    """The folders in which a bid server keeps its incidents beside these files of its decision log.

    Raises:
        NoFilesMatched: there are no such files.
    """
    folders = {path.parent / FOLDER for path in find_files(files, "decisions-*")}
    return sorted(folder for folder in folders if folder.is_dir())


def read_incidents(folder: Path) -> list[UnderIncident]:
    """What the incidents of a folder, one JSON file each, lay over; of a market that has changed the slots are kept.

    That one is told of as "re-fit the forecast": without its slots there would be nothing to fit it to.

    Raises:
        UnreadableFile: there is no such folder, or a file in it is no incident.
    """
    if not folder.is_dir():
        raise UnreadableFile(f"{folder} is no folder of incidents. Name the one that a bid server keeps them in.")
    incidents = [_read(path) for path in sorted(folder.glob("*.json"))]
    return [_under(one) for one in incidents if one.risk is not Risk.regime_change]


def _read(path: Path) -> Incident:
    try:
        return Incident.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        first = str(error) if isinstance(error, OSError) else error.errors(include_url=False)[0]["msg"]
        raise UnreadableFile(
            f"{path} is no incident ({first}). Take it out of the folder, or keep its slots: --keep-incident-slots."
        ) from error


def _under(incident: Incident) -> UnderIncident:
    """From the first slot of its alarms' windows until it was closed, by the time that passed since it was opened."""
    firsts = [alarm["slot"] - alarm["window"] + 1 for alarm in incident.alarms if {"slot", "window"} <= alarm.keys()]
    ends = [step.at for step in incident.steps if step.action is Action.closed]
    begun = [step.at for step in incident.steps if step.action is Action.opened] or [s.at for s in incident.steps[:1]]
    lasted = max(ends[-1] - begun[0], 0.0) if ends and begun and not incident.open else None
    if lasted is None and not incident.open:
        lasted = 0.0  # closed, and no step says when
    return UnderIncident(
        incident.id, incident.campaign, incident.day, min([incident.slot, *firsts]), incident.slot, lasted
    )
