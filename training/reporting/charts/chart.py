"""What a chart shows. How it is drawn, as SVG or for plotly, is another file's job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#999933", "#882255")
"""Of series in their order: Okabe and Ito's, told apart by colour-blind readers, on white and on black."""
HOUR: Final = "hour"
"""Name of an axis of hours of the day."""
Marker = Literal["o", "s", "D", "*"]


@dataclass(frozen=True)
class Series:
    """One series of numbers, with the ends of their intervals where they have some; None leaves a gap."""

    name: str
    values: tuple[float | None, ...]
    low: tuple[float | None, ...] | None = None
    high: tuple[float | None, ...] | None = None


@dataclass(frozen=True)
class Bars:
    """Bars of one or more series by label, a group for each label; `lying` ones have room for long labels."""

    title: str
    labels: tuple[str, ...]
    series: tuple[Series, ...]
    unit: str
    lying: bool = False


@dataclass(frozen=True)
class Lines:
    """Lines over numbers `x`, with bands where series have ends; a `dashed` series is named there."""

    title: str
    x: tuple[float, ...]
    series: tuple[Series, ...]
    x_name: str
    unit: str
    dashed: tuple[str, ...] = ()
    labels: tuple[str, ...] | None = None  # of `x`, where these are only places


@dataclass(frozen=True)
class Group:
    """Points that look alike."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    marker: Marker = "o"


@dataclass(frozen=True)
class Points:
    """Groups of points in a plane."""

    title: str
    groups: tuple[Group, ...]
    x_name: str
    y_name: str


Chart = Bars | Lines | Points
