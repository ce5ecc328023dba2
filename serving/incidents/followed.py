"""What another worker of the same machine responds to: the first keeps the incidents of campaigns, the others follow.

Its files are read by a thread, so that no bid waits for a disk.
"""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from bidpilot.bidding.errors import InvalidIncident
from bidpilot.serving.incidents.files import read_incident
from bidpilot.serving.incidents.incident import Incident

EVERY = 1.0
"""Seconds between two looks at the folder."""

Found = dict[str, tuple[int, Incident]]  # by name: when its file changed, nanoseconds, and what it held


class Followed:
    """The open incidents of a folder that another process writes.

    Args:
        folder: where they are; None: nobody is followed.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._found: Found = {}
        self._thread = None if folder is None else ThreadPoolExecutor(1, thread_name_prefix="incidents")
        self._look: Future[Found] | None = None
        self._next = -1.0
        self.incidents: dict[str, Incident] = {}  # those that go on, by name

    def tend(self, now: float) -> bool:
        """Look at the folder now and then; whether something has changed since this was called last."""
        if self._thread is None or self._folder is None:
            return False
        if self._look is None:
            if now >= self._next:
                self._next = now + EVERY
                self._look = self._thread.submit(_read, self._folder, self._found)
            return False
        if not self._look.done():
            return False
        look, self._look = self._look, None
        if look.exception() is not None or (found := look.result()) == self._found:
            return False  # the folder is not there yet, or away: what was known holds
        self._found = found
        self.incidents = {id: incident for id, (_, incident) in found.items() if incident.open}
        return True

    def close(self) -> None:
        """Look no more."""
        if self._thread is not None:
            self._thread.shutdown(wait=False)


def _read(folder: Path, before: Found) -> Found:
    """What the files of a folder hold; those that have not changed are not read again, nor any that cannot be."""
    found: Found = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.name.endswith(".json") or entry.name.startswith("."):
                continue
            changed, id = entry.stat().st_mtime_ns, entry.name.removesuffix(".json")
            known = before.get(id)
            if known is not None and known[0] == changed:
                found[id] = known
                continue
            try:
                found[id] = changed, read_incident(Path(entry.path))
            except InvalidIncident:
                if known is not None:
                    found[id] = known
    return found
