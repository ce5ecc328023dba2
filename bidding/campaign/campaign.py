"""A campaign: what the advertiser wants, may spend, and insists on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from bidpilot.bidding.campaign.scalarisation import Scalarisation, check_preference
from bidpilot.bidding.errors import InvalidCampaign


def _positive(value: float, info: ValidationInfo) -> float:
    if not (math.isfinite(value) and value > 0):
        raise InvalidCampaign(f"{info.field_name} must be positive and finite; got {value}. Give an amount above 0.")
    return value


def _share(value: float, info: ValidationInfo) -> float:
    if not 0 <= value <= 1:
        raise InvalidCampaign(f"{info.field_name} is a share between 0 and 1; got {value}. Give such a share.")
    return value


Positive = Annotated[float, AfterValidator(_positive)]
Share = Annotated[float, AfterValidator(_share)]


class Delays(BaseModel):
    """How late feedback arrives, in slots."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    wins: int = Field(0, ge=0, description="slots until wins and spend are reported")
    interactions: int = Field(0, ge=0, description="slots until interactions are reported")
    conversions: int = Field(0, ge=0, description="slots until conversions are reported")


class Campaign(BaseModel):
    """One campaign's day: budget, preference, limits, and how its auctions answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    budget: Positive = Field(description="most that may be spent on the day, currency")
    conversion_value: Positive = Field(1.0, description="what one conversion is worth, currency")
    preference: tuple[float, float, float] = Field(
        (0.2, 0.3, 0.5), description="weights of exposure, interaction, conversion; non-negative, sum 1"
    )
    scalarisation: Scalarisation = Field(
        Scalarisation.weighted_sum, description="how the KPI triple becomes one number"
    )
    max_cpa: Positive | None = Field(None, description="target cost per conversion, currency")
    min_roi: Positive | None = Field(None, description="least conversion value per spend, ratio")
    min_tail_share: Share | None = Field(None, description="least share of won exposures on long-tail content")
    kpi_floors: tuple[float, float, float] = Field((0.0, 0.0, 0.0), description="least total of each KPI, its own unit")
    channel_caps: dict[str, Positive] = Field(default_factory=dict, description="most spend per channel, currency")
    reserve: Share = Field(0.0, description="share of the budget held back for contingencies")
    auction: Literal["second", "first"] = Field("second", description="what a winner pays: market price or own bid")
    feedback: Literal["full", "won_only"] = Field("full", description="whose market prices are reported")
    delays: Delays = Field(Delays(), description="how late feedback arrives, slots")

    @field_validator("preference")
    @classmethod
    def _distribution(cls, value: tuple[float, float, float]) -> tuple[float, float, float]:
        check_preference(value)
        return value

    @model_validator(mode="after")
    def _floors(self) -> Campaign:
        if any(not math.isfinite(f) or f < 0 for f in self.kpi_floors):
            raise InvalidCampaign(f"kpi_floors are finite and >= 0; got {self.kpi_floors}. Use 0 for no floor.")
        return self


@dataclass(frozen=True)
class CampaignBatch:
    """Campaigns of B rows as arrays."""

    budget: NDArray[np.float64]  # (B,) currency
    conversion_value: NDArray[np.float64]  # (B,) currency per conversion
    preference: NDArray[np.float64]  # (B, 3)
    kind: NDArray[np.int64]  # (B,) Scalarisation.code
    max_cpa: NDArray[np.float64]  # (B,) currency, inf where none
    min_tail_share: NDArray[np.float64]  # (B,) 0 where none
    min_roi: NDArray[np.float64]  # (B,) 0 where none
    kpi_floors: NDArray[np.float64]  # (B, 3) 0 where none
    channel_caps: dict[str, NDArray[np.float64]]  # channel to (B,) currency, inf where none
    reserve: NDArray[np.float64]  # (B,) share of the budget
    first_price: NDArray[np.bool_]  # (B,)
    full_feedback: NDArray[np.bool_]  # (B,)
    win_delay: NDArray[np.int64]  # (B,) slots
    interaction_delay: NDArray[np.int64]  # (B,) slots
    conversion_delay: NDArray[np.int64]  # (B,) slots

    def __len__(self) -> int:
        return len(self.budget)

    @cached_property
    def constrained(self) -> NDArray[np.bool_]:
        """(B,) true where anything but the whole budget limits the campaign."""
        limited = np.isfinite(self.max_cpa) | (self.min_tail_share > 0) | (self.min_roi > 0) | (self.reserve > 0)
        limited |= (self.kpi_floors > 0).any(axis=1)
        for cap in self.channel_caps.values():
            limited |= np.isfinite(cap)
        return limited

    @cached_property
    def steers_segments(self) -> NDArray[np.bool_]:
        """(B,) true where a tail share or a channel cap makes segments differ."""
        steers = self.min_tail_share > 0
        for cap in self.channel_caps.values():
            steers = steers | np.isfinite(cap)
        return steers

    @classmethod
    def of(cls, campaigns: Sequence[Campaign]) -> CampaignBatch:
        """One row for each campaign."""
        return cls.concatenate([cls.repeat(campaign, 1) for campaign in campaigns])

    def take(self, index: NDArray[np.int64]) -> CampaignBatch:
        """Rows `index` (B,)."""
        arrays = {f.name: getattr(self, f.name)[index] for f in fields(self) if f.name != "channel_caps"}
        return CampaignBatch(**arrays, channel_caps={name: cap[index] for name, cap in self.channel_caps.items()})

    @classmethod
    def repeat(
        cls,
        campaign: Campaign,
        rows: int,
        budget: NDArray[np.float64] | None = None,
        conversion_value: NDArray[np.float64] | None = None,
        max_cpa: NDArray[np.float64] | None = None,
    ) -> CampaignBatch:
        """`rows` copies of one campaign; entries of `budget`, `conversion_value` (B,) that are not NaN replace its own.

        Raises:
            InvalidCampaign: a replaced value is not positive.
        """
        own = np.full(rows, 1.0)
        cap = np.full(rows, np.inf if campaign.max_cpa is None else campaign.max_cpa)
        if campaign.max_cpa is not None and max_cpa is not None:
            cap = np.where(np.isnan(max_cpa), cap, max_cpa)
        return cls(
            budget=_override(own * campaign.budget, budget, "budget"),
            conversion_value=_override(own * campaign.conversion_value, conversion_value, "conversion_value"),
            preference=np.tile(np.asarray(campaign.preference, np.float64), (rows, 1)),
            kind=np.full(rows, campaign.scalarisation.code),
            max_cpa=cap,
            min_tail_share=own * (campaign.min_tail_share or 0.0),
            min_roi=own * (campaign.min_roi or 0.0),
            kpi_floors=np.tile(np.asarray(campaign.kpi_floors, np.float64), (rows, 1)),
            channel_caps={name: own * cap for name, cap in campaign.channel_caps.items()},
            reserve=own * campaign.reserve,
            first_price=np.full(rows, campaign.auction == "first"),
            full_feedback=np.full(rows, campaign.feedback == "full"),
            win_delay=np.full(rows, campaign.delays.wins),
            interaction_delay=np.full(rows, campaign.delays.interactions),
            conversion_delay=np.full(rows, campaign.delays.conversions),
        )

    @classmethod
    def concatenate(cls, batches: Sequence[CampaignBatch]) -> CampaignBatch:
        """The rows of several batches in order; a channel that only some of them cap is free in the others.

        Raises:
            InvalidCampaign: there is no batch.
        """
        if not batches:
            raise InvalidCampaign("no batches to concatenate; got 0. Give at least one.")
        names = dict.fromkeys(name for batch in batches for name in batch.channel_caps)
        caps = {
            name: np.concatenate([b.channel_caps.get(name, np.full(len(b), np.inf)) for b in batches]) for name in names
        }
        plain = [field.name for field in fields(cls) if field.name != "channel_caps"]
        return cls(channel_caps=caps, **{name: np.concatenate([getattr(b, name) for b in batches]) for name in plain})


def _override(own: NDArray[np.float64], given: NDArray[np.float64] | None, name: str) -> NDArray[np.float64]:
    if given is None:
        return own
    value = np.where(np.isnan(given), own, given)
    if not (value > 0).all() or not np.isfinite(value).all():
        raise InvalidCampaign(f"{name} must be positive and finite; got {value.min()}. Mend the day's record.")
    return value
