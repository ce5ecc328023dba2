"""The first challenger becomes champion: there is none, so it plays against the plan, as in its evaluation.

It needs a won experiment besides, and has one.
"""

from __future__ import annotations

import json
from typing import Any

from tests.loop.registry import Decision, champion, last_decision, version_tags
from tests.loop.room import Room
from tests.loop.steps.experiment import WON

_PARITY = 1e-6  # of R / R*: a bundle answers as the policy that was trained, but for rounding


def run(room: Room) -> None:
    """Promote on the test log, with what the experiment has shown."""
    done = room.bidpilot("promote", "--log", "logs/test", "--won", WON)
    room.holds("bundle -> champion: against the plan", "against the plan" in done.stdout, done.stdout[-500:])
    room.same("bundle -> champion: the alias", champion(room), "1")
    because = version_tags(room, "1")["promoted_because"]
    room.holds("bundle -> champion: the recorded reason", because in done.stdout, f"{because!r} was not printed")
    room.holds("experiment -> champion: a reason", "experiment dearer: new against control" in because, because)
    check_duel(room, last_decision(room), json.loads(room.path("evaluation.json").read_text()))
    room.tell(because)


def check_duel(room: Room, decision: Decision, rows: list[dict[str, Any]]) -> None:
    """On the same days the bundle is as much better than the plan as the policy was in its evaluation.

    Args:
        room: whose loop it is.
        decision: of the bundle against the plan.
        rows: of the evaluation, those of pairs among them.
    """
    (pair,) = (row for row in rows if row.get("against") == "plan" and row["agent"].startswith("ppo"))
    (duel,) = decision.duels
    near = abs(duel["difference"] - pair["diff"]) <= _PARITY
    told = f"{duel['difference']} in the duel, {pair['diff']} in the evaluation"
    room.holds("evaluation -> duel: the same difference to the plan", near, told)
