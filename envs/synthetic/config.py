"""Parameters of the synthetic market: each effect by name, unit and the value that turns it off."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bidpilot.bidding.campaign.profile import DEFAULT_WEIGHTS
from bidpilot.bidding.errors import InvalidMarket
from bidpilot.bidding.landscape.calendar import WEEKDAYS
from bidpilot.envs.logs.day_batch import INVALID_VIEWS

Share = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
Spread = Annotated[float, Field(ge=0.0, le=2.0, allow_inf_nan=False)]  # of a logarithm
HalfWidth = Annotated[float, Field(ge=0.0, lt=1.0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Correlation = Annotated[float, Field(gt=-1.0, lt=1.0, allow_inf_nan=False)]
Curve = Annotated[tuple[Positive, ...], Field(min_length=1)]

LOG_HEADROOM = 4  # average days that the log must hold, so that no slot's window runs out of auctions


class SyntheticConfig(BaseModel):
    """What a synthetic market is made of; the defaults have every per-day effect off.

    Raises `InvalidMarket` when a value is out of range or not finite, or a key is unknown.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    # The day
    slots: int = Field(default=48, ge=1, description="Slots per day (decision steps).")
    level_slots: int = Field(
        default=8, ge=1, description="Slots over which a value or price level lasts; divides slots."
    )
    traffic_slots: int = Field(default=4, ge=1, description="Slots over which a traffic level lasts; divides slots.")
    auctions_per_slot: Positive = Field(default=200.0, description="Mean auctions per slot over an average day.")
    budget: Positive = Field(default=40.0, description="Default campaign budget, currency per day.")
    conversion_value: Positive = Field(default=12.0, description="Default worth of a conversion, currency.")

    # The log
    log_auctions: int = Field(default=1_000_000, ge=1, description="Auctions in the log, at unit level.")
    channel_shares: tuple[Positive, Positive, Positive, Positive] = Field(
        default=(0.50, 0.20, 0.15, 0.15),
        description="Share of auctions of feed, search, challenge, external; sums to 1.",
    )
    tail_share: Share = Field(default=0.25, description="Share of auctions on long-tail content, in every channel.")
    user_shares: tuple[Positive, Positive, Positive, Positive] = Field(
        default=(0.20, 0.45, 0.20, 0.15),
        description="Share of auctions of new, active, loyal, dormant users; sums to 1.",
    )
    segment_spread: NonNegative = Field(
        default=1.0,
        description="Scale of the segments' own price, quality and value levels; 0: all segments alike.",
    )
    user_spread: NonNegative = Field(
        default=1.0, description="Scale of the user tiers' shifts of price and value; 0: all tiers alike."
    )
    price_level: Positive = Field(default=0.0838, description="Mean market price, currency per exposure.")
    price_log_std: Spread = Field(default=0.95, description="Standard deviation of the log market price over the log.")
    value_price_correlation: Correlation = Field(
        default=0.05,
        description="Correlation of log conversion propensity and log market price within a segment.",
    )
    conversion_rate: Positive = Field(
        default=0.004, le=0.05, description="Mean predicted conversions per exposure, at unit level."
    )
    conversion_log_std: Spread = Field(
        default=0.6, description="Standard deviation of the log conversion propensity among like auctions."
    )
    kpi_weights: tuple[NonNegative, NonNegative, NonNegative, NonNegative, NonNegative] = Field(
        default=DEFAULT_WEIGHTS.in_market_order(),
        description="Interactions that one like, comment, share, follow, completion counts for.",
    )
    prediction_noise: tuple[Spread, Spread, Spread] = Field(
        default=(0.0, 0.0, 0.0),
        description="Standard deviation of log(true / predicted) per auction, for exposure, interaction and "
        "conversion; mean-one, so predictions stay calibrated; 0: true = predicted.",
    )
    sources: int = Field(default=64, ge=4, le=4096, description="Publisher clusters, with uneven shares.")
    invalid_rate: Share = Field(
        default=0.0,
        le=0.5,
        description="Share of the log's auctions that are invalid, uneven over sources; 0: none.",
    )

    # Curves of the day
    demand_curve: Curve = Field(
        default=(1.0,),
        description="Shape of auctions over the day, interpolated to the slots; mean set to 1.",
    )
    price_curve: Curve = Field(
        default=(1.0,),
        description="Shape of market prices over the day, interpolated to the slots; mean set to 1.",
    )
    price_jump: NonNegative = Field(
        default=0.0,
        description="Rise of prices in a block's first slot over its late slots, as a share; 0: none.",
    )
    price_jump_decay: Positive = Field(default=1.44, description="Slots in which that rise falls to 1/e of itself.")

    weekly_curve: Annotated[tuple[Positive, ...], Field(max_length=WEEKDAYS)] = Field(
        default=(),
        description="Traffic of Monday to Sunday, one number each; mean set to 1. Days are then of a weekday, each as "
        "likely; none: all days alike.",
    )

    # Levels of the day
    day_value_std: Spread = Field(default=0.0, description="Standard deviation of the day's log value level.")
    day_price_std: Spread = Field(default=0.0, description="Standard deviation of the day's log price level.")
    day_traffic_std: Spread = Field(default=0.0, description="Standard deviation of the day's log traffic level.")
    value_drift_std: Spread = Field(
        default=0.0,
        description="Standard deviation of the log change of the value level from first to last slot.",
    )
    price_drift_std: Spread = Field(
        default=0.0,
        description="Standard deviation of the log change of the price level from first to last slot.",
    )
    traffic_drift_std: Spread = Field(
        default=0.0,
        description="Standard deviation of the log change of the traffic level from first to last slot.",
    )
    calibration_std: tuple[Spread, Spread, Spread] = Field(
        default=(0.0, 0.0, 0.0),
        description="Standard deviation of the day's log(predicted / true), for exposure, interaction and "
        "conversion; mean-one.",
    )

    # Levels of blocks
    value_category_halfwidth: HalfWidth = Field(
        default=0.0, description="Half-width of the block's uniform category factor around 1; 0: none."
    )
    value_own_halfwidth: HalfWidth = Field(
        default=0.0, description="Half-width of the block's uniform own factor around 1; 0: none."
    )
    block_price_std: Spread = Field(default=0.0, description="Standard deviation of the block's log price level.")
    value_price_level_correlation: Correlation = Field(
        default=0.0, description="Correlation of a block's value and price level (of their normal scores)."
    )
    traffic_halfwidth: HalfWidth = Field(
        default=0.0,
        description="Half-width of the uniform traffic level of `traffic_slots` slots around 1; 0: none.",
    )
    level_autocorrelation: Correlation = Field(
        default=0.0,
        description="Correlation of a level's normal score with the next block's; 0: redrawn independently.",
    )
    arrival_noise: NonNegative = Field(
        default=0.0,
        le=5.0,
        description="Standard deviation of a slot's auctions, in roots of their mean; 1: as Poisson.",
    )

    # Segments of the day
    segment_demand_std: Spread = Field(
        default=0.0,
        description="Standard deviation of the day's log demand per segment; total demand stays; 0: none.",
    )
    segment_price_std: Spread = Field(
        default=0.0, description="Standard deviation of the day's log price level per segment; 0: none."
    )

    # Shocks
    platform_shock_probability: Share = Field(
        default=0.0, description="Probability of a day on which traffic falls from a random slot on."
    )
    platform_shock_depth: tuple[Share, Share] = Field(
        default=(0.3, 0.5), description="Least and greatest share of traffic that a platform shock takes."
    )
    surge_probability: Share = Field(default=0.0, description="Probability of a day with a competitor surge.")
    surge_price_factor: Positive = Field(default=1.6, description="Factor on market prices while a surge lasts.")
    surge_slots: int = Field(default=8, ge=1, description="Slots that a competitor surge lasts.")
    viral_probability: Share = Field(
        default=0.0, description="Probability of a day on which a video goes viral and traffic rises; 0: none."
    )
    viral_traffic_factor: Annotated[float, Field(ge=1.0, le=4.0, allow_inf_nan=False)] = Field(
        default=2.0, description="Factor on traffic while a video is viral."
    )
    viral_slots: int = Field(default=6, ge=1, description="Slots that a video is viral for.")
    invalid_burst_probability: Share = Field(
        default=0.0, description="Probability of a day with a burst of invalid traffic."
    )
    invalid_burst_share: Share = Field(
        default=0.4, lt=1.0, description="Share of auctions that are invalid while a burst lasts."
    )
    invalid_burst_slots: int = Field(default=6, ge=1, description="Slots that a burst of invalid traffic lasts.")
    invalid_burst_sources: int = Field(
        default=3, ge=1, le=16, description="Sources that a burst comes from, taking turns by slot."
    )
    fake_engagement: Annotated[float, Field(ge=0.0, le=10.0, allow_inf_nan=False)] = Field(
        default=0.0,
        description="Interaction events that an invalid win fakes, relative to those of a valid one; 0: none.",
    )
    fake_views: Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)] = Field(
        default=INVALID_VIEWS, description="Views that are told of an invalid win, relative to those of a valid one."
    )

    # Sources of the day
    bad_source_share: Annotated[float, Field(ge=0.0, le=0.9, allow_inf_nan=False)] = Field(
        default=0.0,
        description="Share of auctions from sources that are bad on every day of the market; 0: none.",
    )
    bad_source_rate: Share = Field(default=0.9, description="Share of a bad source's auctions that are invalid.")
    viral_source_probability: Share = Field(
        default=0.0, description="Probability of a day on which honest traffic of a few sources surges; 0: none."
    )
    viral_source_share: Share = Field(
        default=0.5, lt=1.0, description="Share of auctions that come from the surging sources while they surge."
    )
    viral_source_slots: int = Field(default=8, ge=1, description="Slots that sources surge for.")
    viral_sources: int = Field(default=3, ge=1, le=16, description="Sources that surge, taking turns by slot.")
    source_demand_std: Spread = Field(
        default=0.0,
        description="Standard deviation of the day's log demand per source; total demand stays; 0: none.",
    )
    source_drift_std: Spread = Field(
        default=0.0,
        description="Standard deviation, per source, of the log change of its demand from first to last slot; total "
        "demand stays; 0: none.",
    )
    outage_probability: Share = Field(
        default=0.0,
        description="Probability of a day with an outage of tracking, when nothing is told of wins; 0: none.",
    )
    outage_slots: int = Field(default=4, ge=1, description="Slots that an outage of tracking lasts.")

    if not TYPE_CHECKING:  # type checkers keep the signature made of the fields

        def __init__(self, **values: Any) -> None:
            try:
                super().__init__(**values)
            except ValidationError as error:
                raise InvalidMarket(_explain(error)) from error

    @model_validator(mode="after")
    def _fit_together(self) -> SyntheticConfig:
        for name in ("level_slots", "traffic_slots"):
            width = getattr(self, name)
            if self.slots % width:
                raise ValueError(f"{name} {width} does not divide slots {self.slots}: use a divisor")
        for name in ("channel_shares", "user_shares"):
            total = sum(getattr(self, name))
            if abs(total - 1.0) > 1e-6:
                raise ValueError(f"{name} sum to {total:g}: make them sum to 1")
        for name in ("surge_slots", "invalid_burst_slots"):
            if getattr(self, name) > self.slots:
                raise ValueError(f"{name} {getattr(self, name)} exceeds slots {self.slots}: shorten it")
        for effect in ("viral", "viral_source", "outage"):
            length = getattr(self, f"{effect}_slots")
            if getattr(self, f"{effect}_probability") > 0.0 and length > self.slots:
                raise ValueError(f"{effect}_slots {length} exceeds slots {self.slots}: shorten it")
        if len(self.weekly_curve) not in (0, WEEKDAYS):
            raise ValueError(f"weekly_curve has {len(self.weekly_curve)} numbers: give one for each of 7 days, or none")
        if self.platform_shock_depth[0] > self.platform_shock_depth[1] or self.platform_shock_depth[1] == 1.0:
            raise ValueError(f"platform_shock_depth {self.platform_shock_depth}: give (least, greatest) below 1")
        if sum(self.kpi_weights) == 0.0:
            raise ValueError("kpi_weights are all 0: give at least one interaction a weight")
        needed = LOG_HEADROOM * self.auctions_per_slot * self.slots
        if self.log_auctions < needed:
            raise ValueError(
                f"log_auctions {self.log_auctions} is too few for {self.slots} slots of "
                f"{self.auctions_per_slot:g} auctions: give at least {needed:.0f}"
            )
        return self

    @property
    def digest(self) -> str:
        """Hex digest of the parameters that are not at their default, 32 digits.

        A new effect, off by default, changes no market's digest; for that a default, once published, stays as it is.
        """
        changed = json.dumps(self.model_dump(mode="json", exclude_defaults=True), sort_keys=True)
        return hashlib.blake2b(changed.encode(), digest_size=16).hexdigest()


def _explain(error: ValidationError) -> str:
    """One line: every field that is wrong, its value and what it must be."""
    parts = []
    for item in error.errors(include_url=False):
        where = ".".join(str(part) for part in item["loc"])
        message = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            parts.append(f"{where}: no such parameter; remove or respell it")
        elif where:
            parts.append(f"{where} = {item['input']!r}: {message}")
        else:
            parts.append(message)
    return "synthetic market: " + "; ".join(parts)
