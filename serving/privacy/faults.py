"""Faults without their texts: what an exception says may be taken from a request, and a log outlives it."""

from __future__ import annotations

import traceback
from pathlib import Path


def where(error: BaseException) -> str:
    """What kind of fault it is, and the line that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    return type(error).__name__ + (f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "")


def frames_of(error: BaseException) -> str:
    """The kinds of a fault and of its causes with the lines they passed through, without any text of theirs."""
    parts, seen = [], 0
    fault: BaseException | None = error
    while fault is not None and seen < 5:
        parts.append(f"{''.join(traceback.format_tb(fault.__traceback__))}{type(fault).__name__}")
        fault, seen = fault.__cause__ or fault.__context__, seen + 1
    return "\nwhile handling\n".join(parts)
