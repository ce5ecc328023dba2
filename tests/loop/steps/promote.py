"""The challenger, trained on served days, plays the champion on days that neither was trained on.

Whatever is decided is recorded and follows from the rows.
"""

from __future__ import annotations

from tests.loop.registry import Decision, champion, last_decision, version_tags
from tests.loop.room import Room


def run(room: Room) -> None:
    """Decide between the first and the second policy."""
    done = room.bidpilot("promote", "--log", "logs/test", status=(0, 2))
    decision = last_decision(room)
    check_decision(room, decision, done.returncode, champion(room))
    room.tell(decision.reason)
    if decision.promoted:
        tags = version_tags(room, "2")
        room.same("duel -> registry: the run that decided", tags.get("promotion_run"), decision.run_id)
    days = len(room.sources["test"].days)
    room.same("test days -> duel: days", [duel["days"] for duel in decision.duels], [days])


def check_decision(room: Room, decision: Decision, status: int, alias: str) -> None:
    """The command's status, the record, the alias and the rows say the same: better somewhere, worse nowhere."""
    judged = all(duel["low"] is not None for duel in decision.duels)
    won = (
        judged and any(duel["low"] > 0 for duel in decision.duels) and all(duel["high"] >= 0 for duel in decision.duels)
    )
    room.same("duel -> record: the verdict follows from the rows", decision.promoted, won)
    room.holds("duel -> record: a reason", bool(decision.reason), "none is recorded")
    room.same("duel -> registry: status and champion", (status, alias), (0, "2") if won else (2, "1"))
