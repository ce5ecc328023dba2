"""A campaign: what the advertiser wants, may spend, and insists on."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from bidpilot.bidding.campaign.amounts import Positive
from bidpilot.bidding.campaign.scalarisation import Scalarisation, check_preference
from bidpilot.bidding.constraints.budget import Reserve
from bidpilot.bidding.constraints.channel_caps import Caps
from bidpilot.bidding.constraints.kpi_floors import Floors
from bidpilot.bidding.constraints.max_channel_share import ChannelShares
from bidpilot.bidding.constraints.max_cpa import TargetCost
from bidpilot.bidding.constraints.min_roi import LeastReturn
from bidpilot.bidding.constraints.min_tail_share import TailShare


class Delays(BaseModel):
    """How late feedback arrives, in slots."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    wins: int = Field(0, ge=0, description="slots until wins and spend are reported")
    interactions: int = Field(0, ge=0, description="slots until interactions are reported")
    conversions: int = Field(0, ge=0, description="slots until conversions are reported")


class Campaign(BaseModel):
    """One campaign's day: budget, preference, constraints, and how its auctions answer.

    What each constraint's field means and refuses is said in its own file of `bidpilot.bidding.constraints`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    budget: Positive = Field(description="most that may be spent on the day, currency")
    conversion_value: Positive = Field(1.0, description="what one conversion is worth, currency")
    preference: tuple[float, float, float] = Field(
        (0.2, 0.3, 0.5), description="weights of exposure, interaction, conversion; non-negative, sum 1"
    )
    scalarisation: Scalarisation = Field(
        Scalarisation.weighted_sum, description="how the KPI triple becomes one number"
    )
    max_cpa: TargetCost = None
    min_roi: LeastReturn = None
    min_tail_share: TailShare = None
    kpi_floors: Floors = (0.0, 0.0, 0.0)
    channel_caps: Caps = Field(default_factory=dict)
    max_channel_share: ChannelShares = Field(default_factory=dict)
    reserve: Reserve = 0.0
    auction: Literal["second", "first"] = Field("second", description="what a winner pays: market price or own bid")
    feedback: Literal["full", "won_only"] = Field("full", description="whose market prices are reported")
    delays: Delays = Field(Delays(), description="how late feedback arrives, slots")

    @field_validator("preference")
    @classmethod
    def _distribution(cls, value: tuple[float, float, float]) -> tuple[float, float, float]:
        check_preference(value)
        return value
