"""A feature: one named entry of the observation."""

from __future__ import annotations

from typing import NamedTuple


class Feature(NamedTuple):
    """One entry of the observation."""

    name: str
    low: float
    high: float
    meaning: str
