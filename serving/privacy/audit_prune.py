"""Lines of the audit log that are gone by age: the chain says how many, and holds from the first that is left."""

from __future__ import annotations

from pathlib import Path

import msgspec

from bidpilot.serving.durable import sync, whole_file
from bidpilot.serving.privacy.audit import PRUNED, Action, Line, digest, locked, read

SERVER = "server"
"""Who does what no operator asked for."""


def prune_audit(path: Path, before: float, now: float, dry_run: bool = False) -> int:
    """Remove the first lines, as far as they are older than a time; how many. A line at the end says so.

    Raises:
        AuditBroken: the file cannot be read; nothing is removed.
        OSError: it cannot be written; it is as it was.
    """
    if not path.exists():
        return 0
    with locked(path):
        found = list(read(path))
        old = next((k for k, (_, line) in enumerate(found) if line.at >= before), len(found))
        if dry_run or not old:
            return old
        kept = found[old:]
        last_text, last = found[-1]
        first = kept[0][1].seq if kept else last.seq + 1
        told = {"removed": old, "first": first, "prev": digest(found[old - 1][0])}
        action = Action(now, SERVER, "", "", PRUNED, 0, None, told)
        line = msgspec.json.encode(Line(last.seq + 1, *action, prev=digest(last_text)))
        _replace(path, b"".join(text + b"\n" for text in [*(text for text, _ in kept), line]))
    return old


def _replace(path: Path, data: bytes) -> None:
    with whole_file(path) as file:
        file.write(data)
    sync(path.parent)
