"""An interval as tables show it, and why there is none."""

from __future__ import annotations

from collections.abc import Mapping


def ends(low: float | None, high: float | None, form: str) -> str:
    """`LOW .. HIGH` with numbers of this format; a dash where there is no interval."""
    return "-" if low is None or high is None else f"{low:{form}} .. {high:{form}}"


def too_few(groups: Mapping[str, int]) -> list[str]:
    """Why there is no interval: a note for each of these names, by its number of groups."""
    return [
        f"{name}: {count} group{'s' * (count != 1)} of days, too few for an interval or a verdict"
        for name, count in groups.items()
    ]
