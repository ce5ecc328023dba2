"""The first challenger becomes champion: there is none, so it plays against the plan."""

from __future__ import annotations

from tests.loop.registry import champion, version_tags
from tests.loop.room import Room


def run(room: Room) -> None:
    """Promote on the test log."""
    done = room.bidpilot("promote", "--log", "logs/test")
    room.holds("bundle -> champion: against the plan", "against the plan" in done.stdout, done.stdout[-500:])
    room.same("bundle -> champion: the alias", champion(room), "1")
    because = version_tags(room, "1")["promoted_because"]
    room.holds("bundle -> champion: the recorded reason", because in done.stdout, f"{because!r} was not printed")
    room.tell(because)
