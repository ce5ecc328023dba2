"""A portfolio: what one owner may spend over campaigns, channels and days, and what each campaign wants."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from bidpilot.bidding.campaign.amounts import Positive, Share
from bidpilot.bidding.campaign.scalarisation import check_preference
from bidpilot.bidding.errors import InvalidPortfolio

LEAST_MEAN = 1e-4  # weight of the mean where all the weight is on the CVaR


class Risk(BaseModel):
    """How much bad days count: the CVaR of the utility over scenario days (Rockafellar and Uryasev 2000)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cvar_level: float = Field(0.9, description="the worst 1 - cvar_level of scenario days are guarded, in [0, 1)")
    cvar_weight: Share = Field(0.5, description="weight of the CVaR against the mean, share")

    @property
    def mean_weight(self) -> float:
        """Weight of the mean: never 0, so that good days are used well too."""
        return max(1.0 - self.cvar_weight, LEAST_MEAN)

    @field_validator("cvar_level")
    @classmethod
    def _level(cls, value: float) -> float:
        if not 0 <= value < 1:
            raise InvalidPortfolio(f"cvar_level must lie in [0, 1); got {value}. 0.9 guards the worst tenth of days.")
        return value


class PortfolioCampaign(BaseModel):
    """One campaign of the owner."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, description="unique name of the campaign")
    preference: tuple[float, float, float] = Field(
        (0.2, 0.3, 0.5), description="weights of exposure, interaction, conversion; non-negative, sum 1"
    )
    scalarisation: Literal["weighted_sum"] = Field(
        "weighted_sum", description="how the KPI triple becomes one number; a portfolio adds campaigns up"
    )
    conversion_value: Positive = Field(1.0, description="what one conversion is worth, currency")
    min_tail_share: Share | None = Field(None, description="least share of won exposures on long-tail content")
    least_budget: Positive | None = Field(None, description="least spend over the horizon, currency")
    most_budget: Positive | None = Field(None, description="most spend over the horizon, currency")
    weight: Positive = Field(1.0, description="how much the campaign's utility counts for the owner, ratio")

    @field_validator("preference")
    @classmethod
    def _distribution(cls, value: tuple[float, float, float]) -> tuple[float, float, float]:
        check_preference(value)
        return value

    @model_validator(mode="after")
    def _bounds(self) -> PortfolioCampaign:
        if self.least_budget is not None and self.most_budget is not None and self.least_budget > self.most_budget:
            raise InvalidPortfolio(
                f"campaign {self.name!r} has a least_budget of {self.least_budget:g} above its most_budget of "
                f"{self.most_budget:g}. Lower the one or raise the other."
            )
        return self


class Portfolio(BaseModel):
    """One owner's campaigns over a horizon of days, second price.

    The utility of the owner is the sum over campaigns of weight times `sum_j w_j x_j / z_j`, where the ideal point
    `z_j` is the most of KPI j that the whole budget could buy over the horizon, alone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    budget: Positive = Field(description="most that may be spent over the horizon, currency")
    days: int = Field(1, description="length of the horizon, days; at least 1")
    day_weights: tuple[Positive, ...] | None = Field(
        None, description="traffic of each day relative to the forecast's day; none: every day is the forecast's"
    )
    reserve: Share = Field(0.0, description="share of the budget held back for contingencies, released day by day")
    channel_caps: dict[str, Positive] = Field(
        default_factory=dict, description="most spend per channel over the horizon, currency"
    )
    campaigns: tuple[PortfolioCampaign, ...] = Field(description="the owner's campaigns, at least one")
    risk: Risk | None = Field(None, description="guard against bad days; none: plan for the forecast's mean")

    @model_validator(mode="after")
    def _fits(self) -> Portfolio:
        if self.days < 1:
            raise InvalidPortfolio(f"days is {self.days}; a horizon has at least 1 day.")
        if self.day_weights is not None and len(self.day_weights) != self.days:
            raise InvalidPortfolio(
                f"day_weights has {len(self.day_weights)} entries for {self.days} days. Give one weight per day."
            )
        if not self.campaigns:
            raise InvalidPortfolio("campaigns is empty. Name at least one campaign.")
        names = [campaign.name for campaign in self.campaigns]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise InvalidPortfolio(f"several campaigns are called {', '.join(map(repr, twice))}. Rename all but one.")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """(C,) names of the campaigns."""
        return tuple(campaign.name for campaign in self.campaigns)

    @property
    def traffic(self) -> NDArray[np.float64]:
        """(D,) traffic of each day relative to the forecast's."""
        return np.ones(self.days) if self.day_weights is None else np.array(self.day_weights)

    def amounts(self, field: Literal["least_budget", "most_budget", "min_tail_share"], none: float) -> list[float]:
        """(C,) one bound of every campaign, `none` where it has none."""
        bounds = [getattr(campaign, field) for campaign in self.campaigns]
        return [none if bound is None else float(bound) for bound in bounds]

    def cap(self, channel: str) -> float:
        """Currency over the horizon; inf where the channel is free."""
        return float(self.channel_caps.get(channel, math.inf))
