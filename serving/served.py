"""A campaign as the server keeps it: what it wants, what is shown, and whether it bids."""

from __future__ import annotations

from datetime import date

from pydantic import BaseModel, ConfigDict, Field, field_validator

from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.campaign.profile import DEFAULT_WEIGHTS, FunnelWeights
from bidpilot.bidding.errors import InvalidServing
from bidpilot.serving.flight import Flight
from bidpilot.serving.ledger.store import MICRO, MOST
from bidpilot.serving.planned import Planned


class Creative(BaseModel):
    """What an exchange is given to show."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    crid: str = Field("video", min_length=1, description="creative id")
    adomain: tuple[str, ...] = Field((), description="advertiser domains")
    adm: str | None = Field(None, description="markup of the advertisement")


class ServedCampaign(BaseModel):
    """A campaign as the server keeps it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$", description="name in addresses, accounts and logs")
    campaign: Campaign = Field(description="what it wants and may spend each day")
    creative: Creative = Field(Creative(), description="what is shown")
    paused: bool = Field(False, description="True where it does not bid")
    cover_past_debt: bool = Field(False, description="True where a day's budget first covers what past days owe")
    weights: FunnelWeights = Field(DEFAULT_WEIGHTS, description="interactions that its events count for")
    flight: Flight | None = Field(None, description="when it bids, and its money for all that time; none: always")
    planned: Planned | None = Field(None, description="budgets of days to come; none: the campaign's own every day")

    def budget_on(self, day: date) -> float:
        """What it may spend on a day, currency, whatever its flight says."""
        own = self.campaign.budget
        return own if self.planned is None else self.planned.on(day, own)

    @field_validator("campaign")
    @classmethod
    def _countable(cls, campaign: Campaign) -> Campaign:
        if not 1 <= campaign.budget * MICRO <= MOST:
            raise InvalidServing(
                f"the ledger cannot keep a budget of {campaign.budget:g}: it counts in millionths, up to "
                f"{MOST / MICRO:.0f}. Give an amount in between, or in a larger currency."
            )
        return campaign
