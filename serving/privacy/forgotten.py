"""Sources that are to be forgotten: at once in the file of the memory, and by a running server when its day ends.

A server holds the memory in its own, and writes it at the end of a day. So it is left a note, `forgotten.json`, of
sources to leave out then.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

from bidpilot.bidding.traffic.memory import SourceMemory
from bidpilot.serving.durable import AS_USUAL, whole_file

NOTE = "forgotten.json"
"""Of the state folder."""
_MEMORY = "sources.npz"


def forget_source(state: Path, source: int, dry_run: bool) -> bool:
    """Forget one source; whether anything was remembered of it.

    Raises:
        InvalidMemory: the memory cannot be read.
        OSError: it cannot be written.
    """
    path = state / _MEMORY
    memory = SourceMemory.load(path) if path.exists() else None
    known = memory is not None and source < memory.evidence.shape[-1] and _knows(memory, source)
    if not dry_run:
        _leave(state, sorted({*noted(state), source}))
        if memory is not None and known:
            without(memory, [source]).save(path)
    return known


def noted(state: Path) -> list[int]:
    """Sources that a server is to forget; none where nobody asked, or the note cannot be read."""
    try:
        return [int(source) for source in json.loads((state / NOTE).read_text())]
    except (OSError, ValueError, TypeError):
        return []


def heed(state: Path, memory: SourceMemory) -> SourceMemory:
    """A memory without the sources of the note."""
    sources = noted(state)
    return without(memory, sources) if sources else memory


def heeded(state: Path) -> None:
    """The memory was written without them: the note goes."""
    (state / NOTE).unlink(missing_ok=True)


def without(memory: SourceMemory, sources: list[int]) -> SourceMemory:
    """A memory in which nothing is known of some sources."""
    evidence, requests = memory.evidence.copy(), memory.requests.copy()
    inside = [source for source in sources if source < evidence.shape[-1]]
    evidence[..., inside] = requests[..., inside] = 0.0
    return replace(memory, evidence=evidence, requests=requests)


def _knows(memory: SourceMemory, source: int) -> bool:
    return bool(memory.evidence[..., source].any() or memory.requests[..., source].any())


def _leave(state: Path, sources: list[int]) -> None:
    with whole_file(state / NOTE, state / f".{NOTE}.{os.getpid()}.part", AS_USUAL) as file:
        file.write(json.dumps(sources).encode())
