"""Numbers as a report shows them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

DASH: Final = "–"
"""In place of a number that there is not."""


def number(value: float | None) -> str:
    """Four digits, with commas between thousands; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return DASH
    if value == 0:
        return "0"
    if abs(value) >= 1e9 or abs(value) < 1e-4:
        return f"{value:.3e}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    digits = max(0, 3 - math.floor(math.log10(abs(value))))
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(share: float | None) -> str:
    """A share as a percentage with a digit behind the point."""
    return DASH if share is None or not math.isfinite(share) else f"{100 * share:.1f} %"


def within(low: float | None, high: float | None, relative: bool = False) -> str:
    """The ends of an interval; a dash where there is none. `relative` ends are shares, told with their sign."""
    if low is None or high is None:
        return DASH
    if relative:
        return f"{100 * low:+.1f} to {100 * high:+.1f} %"
    return f"{number(low)} to {number(high)}"


def ratio(above: float, below: float) -> float | None:
    """`above / below`; None where there is nothing below."""
    return above / below if below > 0 else None


def plural(count: float, one: str) -> str:
    """A count with its noun."""
    return f"{number(count)} {one}" + ("" if count == 1 else "s")


def sentence(note: str) -> str:
    """A note as a sentence."""
    return f"{note[:1].upper()}{note[1:]}."


def sentences(notes: Iterable[str]) -> tuple[str, ...]:
    """Notes as sentences."""
    return tuple(map(sentence, notes))
