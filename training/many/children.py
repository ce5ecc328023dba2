"""The run of each campaign below that of the command, and those of earlier calls that did the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bidpilot import __version__
from bidpilot.bidding.errors import BidpilotError
from bidpilot.training.cli.config import changed
from bidpilot.training.many.members import Member
from bidpilot.training.tracking import Run, RunInfo, download, finished_runs, open_run
from bidpilot.training.tracking.story import PARENT

ROW_FILE: Final = "row.json"
"""What was found of the campaign."""
DIGEST: Final = "many.digest"
"""Tag of what a campaign asks for, `Member.digest`, whatever its file is called."""
ON: Final = "many.on"
"""Tag of the preset or log that it is played on, `Member.shares`."""
ASKED: Final = "many.asked"
"""Tag that says who asks: `file`, or the `log` itself."""
_DONE: Final = "many.done"


def key_of(*parts: object) -> str:
    """What tells whether a campaign was done alike: its own digest, what it was done with, and by which bidpilot."""
    return hashlib.blake2b(json.dumps((__version__, *parts), default=str).encode(), digest_size=16).hexdigest()


@dataclass(frozen=True)
class Children:
    """Of one call."""

    parent: Run
    kind: str  # the runs' tag `kind`
    experiment: str

    def before(self, keys: Sequence[str]) -> dict[str, tuple[RunInfo, Any]]:
        """The run and the row of campaigns that earlier calls have finished, by key."""
        found: dict[str, tuple[RunInfo, Any]] = {}
        for run in finished_runs(self.kind, experiment=self.experiment):
            key = run.tags.get(_DONE, "")
            if key in keys and key not in found:
                try:
                    found[key] = (run, json.loads(download(run.run_id, ROW_FILE).read_text()))
                except BidpilotError:
                    continue  # its files are gone: it is done again
        return found

    def keep(
        self,
        member: Member,
        key: str,
        row: Mapping[str, Any],
        tags: Mapping[str, object],
        metrics: Mapping[str, float],
        more: Mapping[str, Any],
    ) -> str:
        """Write the run of a campaign, with `more` JSON files by name; its id."""
        params = {} if member.campaign is None else {f"campaign.{k}": v for k, v in changed(member.campaign).items()}
        of_member = {"campaign": member.name, DIGEST: member.digest, ON: member.shares}
        of_member[ASKED] = "log" if member.campaign is None else "file"
        own = {PARENT: self.parent.run_id, _DONE: key, **of_member, **tags}
        name = f"{self.kind} {member.name}"
        with open_run(self.experiment, name, params, own, kind=self.kind, store=self.parent.store) as run:
            if member.path.is_file():
                run.log_artifact(member.path)
            for file, value in more.items():
                run.log_json(value, file)
            run.log_metrics(metrics, 0)
            run.log_json(row, ROW_FILE)
            return run.run_id
