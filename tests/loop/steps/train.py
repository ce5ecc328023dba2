"""A policy is trained on a log, and its run holds the log's name and digest."""

from __future__ import annotations

import json
import re

from tests.loop.room import Room
from tests.loop.source import SLOTS

_RUN = re.compile(r"^run ([0-9a-f]{32}):", re.MULTILINE)


def run(room: Room) -> None:
    """Train the policy that is served first."""
    train(room, "first", "logs/train")


def train(room: Room, name: str, log: str) -> None:
    """Train on a log in a small way, and keep the run's id under `name`."""
    size = room.size
    done = room.bidpilot(
        "train", "--log", log, "--rows", str(size.rows), "--total-steps", str(size.total_steps),
        "--imitation.rounds", str(size.rounds), "--imitation.batch-size", "256",
        "--ppo.n-steps", str(SLOTS), "--ppo.batch-size", "128", "--validation-days", "16",
    )  # fmt: skip
    found = _RUN.search(done.stdout)
    room.holds(f"{log} -> run: the run is named", found is not None, done.stdout[-500:])
    assert found is not None
    room.runs[name] = found[1]
    (file,) = room.path("mlruns/artifacts").glob(f"**/{found[1]}/**/policy.json")
    policy, imported = json.loads(file.read_text()), json.loads(room.path(f"{log}/log.json").read_text())
    trained_on, digest = (policy["setting"], policy["log_digest"]), (imported["name"], imported["digest"])
    room.same(f"{log} -> run: name and digest of the log", trained_on, digest)
    room.tell(next(line for line in done.stdout.splitlines() if line.startswith("best policy")))
