"""Reads the case library of a state folder."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from bidpilot.bidding.errors import UnknownIncident
from bidpilot.serving.incidents.files import FOLDER, path_of, read_incidents, write_incident
from bidpilot.serving.incidents.incident import Incident
from bidpilot.training.incidents.config import Verdict

_VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


class Library:
    """The incidents of a state folder.

    Args:
        state: the state folder of a bid server.

    Raises:
        InvalidIncident: a file cannot be read.
        UnknownIncident: there is no such folder.
    """

    def __init__(self, state: Path) -> None:
        self.folder = state / FOLDER
        if not self.folder.is_dir():
            raise UnknownIncident(f"{self.folder} is no folder. Give the --state of a bid server with incidents.")
        self.incidents, failed = read_incidents(self.folder)
        if failed:
            raise failed[0]

    def some(self, id: str | None) -> list[Incident]:
        """The incident of a name; all where there is none.

        Raises:
            UnknownIncident: there is none of this name.
        """
        if id is None:
            return self.incidents
        found = [one for one in self.incidents if one.id == id]
        if not found:
            raise UnknownIncident(f"{self.folder} has no incident {id!r}. `bidpilot incidents list` shows all.")
        return found

    def keep(self, incident: Incident) -> None:
        """Write an incident where it was read."""
        inside = list(self.folder.glob(f"worker-*/{incident.id}.json"))
        here = path_of(self.folder, incident.id).exists() or not inside
        write_incident(self.folder if here else inside[0].parent, incident)


def verdict_of(incident: Incident) -> Verdict | None:
    """What a review has found; None where there was none."""
    said = incident.outcome.partition(":")[0]
    return next((verdict for verdict in _VERDICTS if verdict == said), None)
