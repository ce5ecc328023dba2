"""The case library: one JSON file for each incident, written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import ValidationError

from bidpilot.bidding.errors import InvalidIncident
from bidpilot.serving.durable import whole_file
from bidpilot.serving.incidents.incident import Incident

FOLDER = "incidents"
"""Of the state folder."""
_MOST = 16 << 20  # bytes of a file that is read


def path_of(folder: Path, id: str) -> Path:
    """The file of an incident."""
    return folder / f"{id}.json"


def read_incident(path: Path) -> Incident:
    """The incident of a file.

    Raises:
        InvalidIncident: it cannot be read, or is none.
    """
    try:
        if path.stat().st_size > _MOST:
            raise ValueError(f"it is larger than {_MOST} bytes")
        found = Incident.model_validate_json(path.read_bytes())
        if found.id != path.stem:
            raise ValueError(f"it holds {found.id!r}")
    except (OSError, ValueError, ValidationError) as error:
        why = " ".join(str(error).split())[:300]
        raise InvalidIncident(
            f"{path} is no incident ({why}). Move it away: an incident that goes on is opened again by its alarm."
        ) from error
    return found


def read_incidents(folder: Path) -> tuple[list[Incident], list[InvalidIncident]]:
    """All incidents of a folder and of its workers' in the order of their names, and what could not be read.

    One that several workers keep is read once.
    """
    found: dict[str, Incident] = {}
    failed = []
    for path in sorted([*folder.glob("worker-*/*.json"), *folder.glob("*.json")]):
        try:
            incident = read_incident(path)
        except InvalidIncident as error:
            failed.append(error)
        else:
            if incident.id not in found or path.parent == folder:
                found[incident.id] = incident
    return [found[id] for id in sorted(found)], failed


def write_incident(folder: Path, incident: Incident) -> None:
    """Write an incident's file, readable by its owner alone: what is there under its name is whole.

    Raises:
        OSError: it cannot be written; what was there before is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with whole_file(path_of(folder, incident.id), folder / f".{incident.id}.{os.getpid()}.part") as file:
        file.write(incident.model_dump_json(indent=1).encode())
