"""A feature: one named entry of the observation."""

from __future__ import annotations

from typing import Literal, NamedTuple

Group = Literal[
    "clock",
    "campaign",
    "preference",
    "budget",
    "traffic",
    "value",
    "price",
    "value per price",
    "wins and cost",
    "KPI so far",
    "replan",
    "constraints",
    "previous action",
    "invalid traffic",
    "history",
]
"""What a feature speaks of. Explanations are summed by group; a network may be kept from seeing some groups."""


class Feature(NamedTuple):
    """One entry of the observation."""

    name: str
    group: Group
    low: float
    high: float
    meaning: str
