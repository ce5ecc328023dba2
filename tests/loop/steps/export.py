"""The run becomes a bundle, registered as the challenger; a server refuses one whose golden answers are not its own."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from tests.loop.room import Room
from tests.loop.source import CHANNELS, CONVERSION_VALUE, SLOTS, TIERS

SEGMENTS = [f"{channel}/{tier}" for channel in CHANNELS for tier in TIERS]


def run(room: Room) -> None:
    """Export the first policy."""
    export(room, "first", version=1)
    check_golden(room, room.path("bundles/first"))


def export(room: Room, name: str, version: int) -> None:
    """Export the training that is kept under `name`, and hold the bundle against the run and the log."""
    done = room.bidpilot("export", room.runs[name], "--agent", "ppo", "--out", f"bundles/{name}")
    manifest = read_manifest(room.path(f"bundles/{name}"))
    room.same(f"run -> bundle {name}: the run it comes from", manifest["origin"]["run_id"], room.runs[name])
    room.same(f"run -> bundle {name}: slots and segments", [manifest["slots"], manifest["segments"]], [SLOTS, SEGMENTS])
    terms = manifest["campaign"]["budget"], manifest["campaign"]["conversion_value"]
    room.same(f"run -> bundle {name}: budget and worth", terms, (room.sources["train"].budget, CONVERSION_VALUE))
    named = f"models:/bidpilot/{version}, alias challenger"
    room.holds(f"bundle {name} -> registry: version {version}", named in done.stdout, done.stdout[-500:])


def check_golden(room: Room, bundle: Path) -> None:
    """A copy whose golden answers were changed, and its checksum with them, is refused by what would serve it."""
    copy = room.path("bundles/altered")
    shutil.copytree(bundle, copy)
    golden = json.loads((copy / "golden.json").read_text())
    golden["actions"][0][0] = 0.5 - golden["actions"][0][0]
    (copy / "golden.json").write_text(json.dumps(golden))
    manifest = read_manifest(copy)
    manifest["checksums"]["golden.json"] = hashlib.sha256((copy / "golden.json").read_bytes()).hexdigest()
    (copy / "manifest.json").write_text(json.dumps(manifest))
    refused = ("serve", "bundles/altered", "--state", "altered-state", "--port", "0", "--admin-port", "0")
    done = room.bidpilot(*refused, status=(2,))
    room.holds("bundle -> server: other golden answers are refused", "golden" in done.stdout, done.stdout[-500:])


def read_manifest(bundle: Path) -> dict[str, Any]:
    """What a bundle says of itself."""
    return dict(json.loads((bundle / "manifest.json").read_text()))
