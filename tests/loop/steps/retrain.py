"""Served days become training days: a second policy is trained on them and exported."""

from __future__ import annotations

from tests.loop.room import Room
from tests.loop.steps.export import export
from tests.loop.steps.import_decisions import LOG
from tests.loop.steps.train import train


def run(room: Room) -> None:
    """Train on what was served, and register the bundle as the next challenger."""
    train(room, "second", LOG)
    export(room, "second", version=2)
