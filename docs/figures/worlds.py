"""Texts of what worlds are drawn from, by the tables that draw them."""

from __future__ import annotations

from collections.abc import Iterable

from bidpilot.envs.markets import support
from bidpilot.envs.markets.support import Range
from docs.figures.record import Records
from docs.figures.words import NUMBERS, Text, paragraph, percent, table


def _worlds(records: Records) -> str:
    rows = [
        [
            f"`{name}`",
            "the preset's" if name not in support.TRAINING else _told([support.TRAINING[name]]),
            _told(support.BEYOND.get(name, ())),
        ]
        for name in {**support.TRAINING, **support.BEYOND}
    ]
    return table(["parameter", "training worlds", "held-out worlds beyond"], rows)


def _traits(records: Records) -> str:
    rows = [
        [f"`{name}`", percent(trait.share), ", ".join(f"`{n}` {_told([r])}" for n, r in trait.ranges.items())]
        for name, trait in support.TRAITS.items()
    ]
    return table(["trait", "share of training worlds", "what it is"], rows)


def _demand(records: Records) -> str:
    given, (once, twice) = support.TRAINING_DEMAND, support.TRAINING_DEMAND.harmonics
    return paragraph(
        f"Demand: {percent(given.own_share)} of training worlds keep the preset's curve; the others have it to a power "
        f"of {_told([given.power])}, rolled by any whole hours, times one wave a day and two whose log amplitudes are "
        f"at most {once:g} and {twice:g}. {percent(support.UNSEEN_DEMAND_SHARE)} of held-out worlds have "
        f"it mirrored in time, to a power of {_told([support.MIRRORED_POWER])} and rolled, or two equal peaks "
        f"on a flat day, of log amplitude {_told([support.TWO_PEAKS])}. Of held-out worlds "
        f"{percent(support.COMBINED_SHARE)} are two or three traits "
        f"together, the others lie beyond in one to {NUMBERS[support.BEYOND_COUNT]} parameters."
    )


def _told(ranges: Iterable[Range]) -> str:
    """`x0.5 to x2`: factors of the preset's own; without the x, values."""
    return " or ".join(_one(values) for values in ranges)


def _one(values: Range) -> str:
    mark = "x" if values.times else ""
    ends = [f"{mark}{end:g}" for end in values[:2]]
    return ends[0] if values.low == values.high else " to ".join(ends)


TEXTS: dict[str, Text] = {"worlds": _worlds, "worlds-traits": _traits, "worlds-demand": _demand}
