"""What worlds are drawn from: the support that policies train on, and what lies outside of it.

Ranges are around a preset. A training world is inside of every range of `TRAINING`, has a demand curve of the family
that `TRAINING_DEMAND` spans, and at most one trait of `TRAITS`. A held-out world differs in one thing at least: some
parameters lie in the ranges of `BEYOND`, which touch none of training's, or it has two traits or three
together; its demand may be of a shape that no training world has too.

A block's length (`level_slots`) is the preset's in every world, since forecast, plan and observation count in blocks,
and a mixture has one number of them; the length of a traffic level varies by divisors of it.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np


class Support(StrEnum):
    """Which worlds are drawn."""

    TRAINING = "training"
    HELD_OUT = "held_out"


class Range(NamedTuple):
    """Values from `low` to `high`: uniform, or where they are `times` the preset's own log-uniform factors of it."""

    low: float
    high: float
    times: bool = False

    def drawn(self, own: float, rng: np.random.Generator) -> float:
        """One of them, around the preset's `own`."""
        if self.times:
            return own * float(np.exp(rng.uniform(np.log(self.low), np.log(self.high))))
        return float(rng.uniform(self.low, self.high))

    def holds(self, own: float, value: float) -> bool:
        """Whether `value` is one of them."""
        scale = own if self.times else 1.0
        return self.low * scale <= value <= self.high * scale


def always(value: float) -> Range:
    """The range of one value."""
    return Range(value, value)


def times(low: float, high: float) -> Range:
    """Factors of the preset's own value."""
    return Range(low, high, times=True)


class Demand(NamedTuple):
    """Demand curves: the preset's to a power, rolled by any whole hours, times two harmonics of the day."""

    own_share: float  # of worlds that keep the preset's
    power: Range
    harmonics: tuple[float, float]  # greatest amplitudes of the log curve: one wave a day, two


TRAINING: Final = MappingProxyType(
    {
        "price_level": times(0.54, 1.87),
        "price_log_std": times(0.8, 1.3),
        "conversion_log_std": times(0.75, 1.35),
        "block_price_std": Range(0.05, 0.4),
        "day_value_std": Range(0.04, 0.35),
        "day_price_std": Range(0.04, 0.35),
        "day_traffic_std": Range(0.04, 0.35),
        "value_drift_std": Range(0.0, 0.5),
        "price_drift_std": Range(0.0, 0.4),
        "traffic_drift_std": Range(0.0, 0.5),
        "conversion_calibration_std": Range(0.05, 0.45),
        "platform_shock_probability": always(0.3),
        "surge_probability": always(0.15),
        "invalid_burst_probability": always(0.15),
    }
)
"""Ranges by parameter of `SyntheticConfig`; `conversion_calibration_std` is the last of its `calibration_std`."""

TRAINING_DEMAND: Final = Demand(own_share=0.35, power=Range(0.0, 1.2), harmonics=(0.35, 0.17))
TRAFFIC_SLOTS: Final = (2, 4, 8)
"""Lengths of a traffic level that worlds have with equal chances, slots."""
CALIBRATION_STD: Final = (0.0, 0.15)
"""Of exposure and interaction, in every world."""


class Trait(NamedTuple):
    """Something that a share of worlds has, and the ranges of its parameters."""

    share: float
    ranges: dict[str, Range]


TRAITS: Final = MappingProxyType(
    {
        "autocorrelated": Trait(0.40, {"level_autocorrelation": Range(-0.2, 0.6)}),
        "sparse": Trait(0.12, {"conversion_rate": times(0.2, 0.6)}),
        "persistent": Trait(0.06, {"bad_source_share": Range(0.05, 0.2)}),
        "stealthy": Trait(
            0.06,
            {
                "invalid_burst_probability": always(1.0),
                "invalid_burst_share": Range(0.05, 0.15),
                "invalid_burst_slots": always(48),
                "invalid_burst_sources": always(16),
            },
        ),
        "viral": Trait(0.06, {"viral_source_probability": Range(0.3, 0.8)}),
    }
)
"""A training world has one of them or none: never two."""

BEYOND: Final = MappingProxyType(
    {
        "price_level": (times(0.35, 0.5), times(2.0, 2.8)),
        "price_log_std": (times(1.4, 1.6),),
        "conversion_log_std": (times(1.45, 1.8),),
        "block_price_std": (Range(0.45, 0.65),),
        "level_autocorrelation": (Range(0.65, 0.85),),
        "day_value_std": (Range(0.4, 0.6),),
        "day_price_std": (Range(0.4, 0.6),),
        "day_traffic_std": (Range(0.4, 0.6),),
        "value_drift_std": (Range(0.6, 0.9),),
        "price_drift_std": (Range(0.5, 0.8),),
        "traffic_drift_std": (Range(0.6, 0.9),),
        "conversion_calibration_std": (Range(0.5, 0.7),),
        "platform_shock_probability": (Range(0.6, 1.0),),
        "surge_probability": (Range(0.4, 1.0),),
        "conversion_rate": (times(0.05, 0.15),),
    }
)
"""Ranges of held-out worlds that touch none of training's; where there are two, with equal chances."""

BEYOND_COUNT: Final = 3
"""Most parameters in which one held-out world lies beyond, from one on with equal chances."""
COMBINED_SHARE: Final = 0.25
"""Share of held-out worlds that are a combination of traits instead."""
UNSEEN_DEMAND_SHARE: Final = 0.3
"""Share of held-out worlds whose demand curve has a shape that training has none of, one of two."""
MIRRORED_POWER: Final = Range(0.6, 1.2)
"""Of the preset's demand curve mirrored in time and rolled: one of the two shapes that training has none of."""
TWO_PEAKS: Final = Range(0.4, 0.8)
"""Amplitude of the two equal waves a day of a log demand that is else flat: the other."""
