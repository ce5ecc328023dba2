"""An interval as tables show it."""

from __future__ import annotations


def ends(low: float | None, high: float | None, form: str) -> str:
    """`LOW .. HIGH` with numbers of this format; a dash where there is no interval."""
    return "-" if low is None or high is None else f"{low:{form}} .. {high:{form}}"
