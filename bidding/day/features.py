"""What an observation holds: each feature by name, group, range and meaning, declared once, in order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, get_args

import numpy as np
from numpy.typing import NDArray

from bidpilot.bidding.constraints.catalogue import CATALOGUE
from bidpilot.bidding.day import history
from bidpilot.bidding.feature import Feature, Group

_LEVEL = "log2 of a level against the forecast, over 2"

FEATURES: tuple[Feature, ...] = (
    Feature("time_left", "clock", 0, 1, "share of the day's slots to come"),
    Feature("block_left", "clock", 0, 1, "share of the current level block to come"),
    Feature("hour_sin", "clock", -1, 1, "sine of the time of day"),
    Feature("hour_cos", "clock", -1, 1, "cosine of the time of day"),
    Feature("budget_left", "budget", 0, 1, "budget not settled / budget"),
    Feature("budget_free", "budget", 0, 1, "budget neither settled nor reserved / budget"),
    Feature("pace_gap", "budget", -1, 1, "budget left minus what the plan would have left, over budget"),
    Feature("tightness", "campaign", -2, 2, "log2 of budget / cost of all forecast auctions, over 4"),
    Feature("planned_share", "clock", 0, 4, "plan's spend of the coming slot / mean spend per slot"),
    Feature("traffic_slot", "traffic", -2, 2, f"{_LEVEL}: auctions of the last slot"),
    Feature("traffic_block", "traffic", -2, 2, f"{_LEVEL}: auctions, believed of this block"),
    Feature("traffic_day", "traffic", -2, 2, f"{_LEVEL}: auctions, believed of this day"),
    Feature("value_slot", "value", -2, 2, f"{_LEVEL}: value of requests in the last slot"),
    Feature("value_block", "value", -2, 2, f"{_LEVEL}: value of requests, believed of this block"),
    Feature("value_day", "value", -2, 2, f"{_LEVEL}: value of requests, believed of this day"),
    Feature("traffic_mean", "traffic", -2, 2, f"{_LEVEL}: auctions, mean of the slots so far"),
    Feature("value_mean", "value", -2, 2, f"{_LEVEL}: value of requests, mean of the slots so far"),
    Feature("price_mean", "price", -2, 2, f"{_LEVEL}: market price, mean of the slots so far (0 where not shown)"),
    Feature("price_block", "price", -2, 2, f"{_LEVEL}: market price, believed of this block (0 where not shown)"),
    Feature("price_day", "price", -2, 2, f"{_LEVEL}: market price, believed of this day (0 where not shown)"),
    Feature(
        "ratio_50",
        "value per price",
        -2,
        2,
        "log2 of the 50th percentile of value per price against the forecast's, over 2",
    ),
    Feature("ratio_75", "value per price", -2, 2, "the same at the 75th percentile"),
    Feature("ratio_90", "value per price", -2, 2, "the same at the 90th percentile"),
    Feature("ratio_97", "value per price", -2, 2, "the same at the 97th percentile"),
    Feature("ratio_99", "value per price", -2, 2, "the same at the 99th percentile"),
    Feature("win_rate", "wins and cost", 0, 1, "wins / auctions of the last slot reported"),
    Feature("win_rate_day", "wins and cost", 0, 1, "wins / auctions so far"),
    Feature("cost_slot", "wins and cost", 0, 4, "spend of the last slot reported / the plan's of that slot"),
    Feature("cost_day", "wins and cost", 0, 4, "spend so far / the plan's so far"),
    Feature(
        "exposure_to_plan", "KPI so far", 0, 4, "predicted exposure won so far / the plan's at the same spend share"
    ),
    Feature("interaction_to_plan", "KPI so far", 0, 4, "predicted interaction won so far / the plan's, likewise"),
    Feature("conversion_to_plan", "KPI so far", 0, 4, "predicted conversion won so far / the plan's, likewise"),
    Feature("exposure_to_ideal", "KPI so far", 0, 2, "predicted exposure won so far / ideal point"),
    Feature("interaction_to_ideal", "KPI so far", 0, 2, "predicted interaction won so far / ideal point"),
    Feature("conversion_to_ideal", "KPI so far", 0, 2, "predicted conversion won so far / ideal point"),
    Feature("replan", "replan", -2, 2, "re-plan's scale against the plan's, as an action: ln(scale) / 1.5"),
    Feature("replan_change", "replan", -2, 2, "the same, minus the previous action's scale"),
    Feature("exposure_preference", "preference", 0, 1, "preference w, exposure"),
    Feature("interaction_preference", "preference", 0, 1, "preference w, interaction"),
    Feature("conversion_preference", "preference", 0, 1, "preference w, conversion"),
    Feature("weighted_sum", "preference", 0, 1, "scalarisation, one-hot"),
    Feature("nash", "preference", 0, 1, "scalarisation, one-hot"),
    Feature("chebyshev", "preference", 0, 1, "scalarisation, one-hot"),
    Feature("first_price", "campaign", 0, 1, "1 where a winner pays its bid"),
    Feature("full_feedback", "campaign", 0, 1, "1 where all market prices are reported"),
    Feature("win_delay", "campaign", 0, 1, "delay of wins, share of the day"),
    Feature("interaction_delay", "campaign", 0, 1, "delay of interactions, share of the day"),
    Feature("conversion_delay", "campaign", 0, 1, "delay of conversions, share of the day"),
    *(feature for constraint in CATALOGUE for feature in constraint.features),
    Feature("last_scale", "previous action", -1, 1, "previous action, scale"),
    Feature("last_interaction_tilt", "previous action", -1, 1, "previous action, interaction tilt"),
    Feature("last_conversion_tilt", "previous action", -1, 1, "previous action, conversion tilt"),
    Feature("refused_slot", "invalid traffic", 0, 1, "requests of the last slot that were refused / its requests"),
    Feature("refused_day", "invalid traffic", 0, 1, "requests so far that were refused / requests so far"),
    Feature("invalid_share", "invalid traffic", 0, 1, "estimated share of invalid traffic among the wins told so far"),
    Feature("invalid_slot", "invalid traffic", 0, 1, "the same, among the wins of the last slot told"),
    Feature(
        "suspect_interactions",
        "invalid traffic",
        0,
        1,
        "interaction events told so far that came from suspect sources / all of them",
    ),
    *history.FEATURES,
)
SEGMENT_FEATURE = Feature(
    "replan_segment", "replan", -1, 1, "re-plan's entry of one segment, as an action (0 without constraints)"
)
"""What follows `FEATURES`, once for each segment."""
POSITION = {f.name: i for i, f in enumerate(FEATURES)}


def span(first: str, last: str) -> slice:
    """Where the features from `first` to `last` stand, in the order in which they are declared."""
    return slice(POSITION[first], POSITION[last] + 1)


GROUPS: Final[Mapping[Group, tuple[str, ...]]] = MappingProxyType(
    {group: tuple(f.name for f in (*FEATURES, SEGMENT_FEATURE) if f.group == group) for group in get_args(Group)}
)
"""Group to the names of the features in it."""


def declared(segments: int) -> dict[str, Feature]:
    """What is declared of all F = len(FEATURES) + S entries, by name, in order."""
    return {f.name: f for f in FEATURES} | dict.fromkeys(entries([SEGMENT_FEATURE.name], segments), SEGMENT_FEATURE)


def feature_names(segments: int) -> tuple[str, ...]:
    """Names of all F entries."""
    return tuple(declared(segments))


def entries(names: Iterable[str], segments: int) -> tuple[str, ...]:
    """Names of the entries that features stand for: `SEGMENT_FEATURE`'s for one of each segment, others for one."""
    each = tuple(f"{SEGMENT_FEATURE.name}_{s}" for s in range(segments))
    return tuple(entry for name in names for entry in (each if name == SEGMENT_FEATURE.name else (name,)))


def strange(features: Mapping[str, tuple[float, float]], segments: int) -> str:
    """What of `features`, name to range, this version does not observe, or in another range; '' where all is well."""
    ours = declared(segments)
    unknown = [name for name in features if name not in ours]
    moved = [
        f"{name} in [{low:g}, {high:g}] and not [{ours[name].low:g}, {ours[name].high:g}]"
        for name, (low, high) in features.items()
        if name in ours and (low, high) != (ours[name].low, ours[name].high)
    ]
    return ", ".join((*unknown, *moved))


def columns(names: Sequence[str], segments: int) -> NDArray[np.int64] | slice:
    """Index of the columns (K,) of an observation (B, F) that hold `names`, in their order.

    Where they are all F in order, it takes the observation as it is, without a copy.

    Raises:
        KeyError: a name that is not observed.
    """
    place = {name: column for column, name in enumerate(declared(segments))}
    if tuple(names) == tuple(place):
        return slice(None)
    return np.array([place[name] for name in names], np.int64)


def observation_of(values: NDArray[np.floating], names: Sequence[str], segments: int) -> NDArray[np.float32]:
    """The observation (B, F) with `values` (B, K) under `names`, and not a number under every other name.

    So whoever reads what is not among `names` gives no number as an answer, and is found out.
    """
    observation = np.full((len(values), len(declared(segments))), np.nan, np.float32)
    observation[:, columns(names, segments)] = values
    return observation


def bounds(segments: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Least and greatest value (F,) of every entry."""
    every = declared(segments).values()
    return np.array([f.low for f in every], np.float32), np.array([f.high for f in every], np.float32)


def feature(observation: NDArray[np.floating], name: str) -> NDArray[np.floating]:
    """Column (B,) of one named feature of an observation (B, F)."""
    return observation[:, POSITION[name]]


def segment_features(observation: NDArray[np.floating]) -> NDArray[np.floating]:
    """Columns (B, S) of the re-plan's segment entries."""
    return observation[:, len(FEATURES) :]
