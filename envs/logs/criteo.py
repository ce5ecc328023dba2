"""Importer of Criteo's attribution log (Diemert, Meynet et al., AdKDD 2017), tab-separated as published.

A row is one impression that Criteo won, at a price in a unit of its own. Times are seconds from 0 and have no date.
"""

from __future__ import annotations

from pathlib import Path

from bidpilot.envs.logs.formats import Format, ImportOptions
from bidpilot.envs.logs.mapped import format_of
from bidpilot.envs.logs.mapping import KpiMap, Mapping, PriceMap, TimeMap

MAPPING = Mapping(
    separator="\t",
    quote=None,
    time=TimeMap(column="timestamp", form="relative_s"),
    campaign="campaign",
    price=PriceMap(column="cost"),
    interaction=KpiMap(sum={"click": 1.0}, realised=True),
    conversion=KpiMap(sum={"attribution": 1.0}, realised=True),
    rate_by=("campaign", "cat1"),
)
"""A conversion is one that Criteo was attributed: `conversion` is 1 in every impression that came before the same sale,
so that its sum counts sales many times."""

NOTES = (
    "a conversion is one that was attributed to the impression, a click is an interaction",
    "currency: the log's own, a transformed price",
    "prices were seen only where the recorded bidder won: the log is censored at its bids",
)


def criteo_format(_options: ImportOptions, paths: list[Path]) -> Format:
    """The format of Criteo's attribution log."""
    return format_of(MAPPING, "criteo", paths, NOTES)
