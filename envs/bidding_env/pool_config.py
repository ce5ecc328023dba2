"""Which campaigns a policy is trained on, as data."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class PoolConfig(BaseModel):
    """What campaigns are drawn from; shares are of the pool, which holds each campaign once for each of its reports."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    size: int = Field(96, gt=0, description="Campaigns that are planned.")
    reports: int = Field(
        16,
        gt=0,
        description="Ways in which each of them is told of its auctions: feedback and delays drawn anew, which no plan "
        "depends on.",
    )
    own: float = Field(0.25, ge=0, le=1, description="Share of the pool that is the setting's own campaign.")
    budget_spread: float = Field(0.5, ge=0, description="Standard deviation of the log budget around its own.")
    max_cpa: float = Field(0.2, ge=0, le=1, description="Share with a target cost per conversion.")
    tail: float = Field(0.15, ge=0, le=1, description="Share with a least tail share.")
    first_price: float = Field(0.15, ge=0, le=1, description="Share that pays its own bids.")
    won_only: float = Field(0.2, ge=0, le=1, description="Share that sees prices only of what it won.")
    delayed: float = Field(0.15, ge=0, le=1, description="Share whose reports come late.")
