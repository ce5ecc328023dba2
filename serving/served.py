"""A campaign as the server keeps it: what it wants, what is shown, and whether it bids."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from bidpilot.bidding.campaign.campaign import Campaign
from bidpilot.bidding.campaign.profile import DEFAULT_WEIGHTS, FunnelWeights
from bidpilot.bidding.errors import InvalidCreative, InvalidServing
from bidpilot.bidding.zone import ZoneName
from bidpilot.serving.capping.cap import Cap
from bidpilot.serving.creatives.creative import AnyCreative
from bidpilot.serving.creatives.old import OldCreative
from bidpilot.serving.elsewhere import Elsewhere
from bidpilot.serving.flight import Flight
from bidpilot.serving.ledger.store import MICRO, MOST
from bidpilot.serving.planned import Planned
from bidpilot.serving.restrictions.audience import Audience


class ServedCampaign(BaseModel):
    """A campaign as the server keeps it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$", description="name in addresses, accounts and logs")
    campaign: Campaign = Field(description="what it wants and may spend each day")
    creatives: tuple[AnyCreative, ...] = Field((), description="what is shown, by format; each must be approved")
    creative: OldCreative = Field(
        OldCreative(), description="what is shown, in the form of before `creatives`; where given it stands alone"
    )
    rotation: Literal["even", "interaction", "conversion"] = Field(
        "even", description="of creatives that fit: shown evenly, or those more that bring more of that KPI"
    )
    timezone: ZoneName | None = Field(
        None, description="IANA name of the time zone of its days and slots; none: the server's (`--timezone`)"
    )
    minors: bool = Field(False, description="True where it may be shown to children and minors")
    audience: Audience | None = Field(None, description="whom it may be shown to; none: anybody of age")
    caps: tuple[Cap, ...] = Field((), max_length=8, description="how often it may be shown to one person")
    caps_without_id: bool = Field(False, description="True where it bids on requests that tell nobody apart, uncapped")
    paused: bool = Field(False, description="True where it does not bid")
    cover_past_debt: bool = Field(False, description="True where a day's budget first covers what past days owe")
    weights: FunnelWeights = Field(DEFAULT_WEIGHTS, description="interactions that its events count for")
    flight: Flight | None = Field(None, description="when it bids, and its money for all that time; none: always")
    planned: Planned | None = Field(None, description="budgets of days to come; none: the campaign's own every day")
    elsewhere: Elsewhere | None = Field(
        None, description="what other accounts have spent of a day's budget, as an experiment began or ended that day"
    )

    @field_validator("creatives")
    @classmethod
    def _told_apart(cls, creatives: tuple[AnyCreative, ...]) -> tuple[AnyCreative, ...]:
        twice = [crid for crid, count in Counter(c.crid for c in creatives).items() if count > 1]
        if twice:
            raise InvalidCreative(f"the creative {twice[0][:80]!r} is there more than once. Give each its own crid.")
        return creatives

    @property
    def counts_creatives(self) -> bool:
        """Whether it matters which creative a bid has shown."""
        return bool(self.caps) or self.rotation != "even"

    def budget_on(self, day: date) -> float:
        """What it may spend on a day, currency, whatever its flight says."""
        whole = self.whole_budget_on(day)
        if self.elsewhere is None or self.elsewhere.day != day:
            return whole
        return max(whole - self.elsewhere.spent, 0.0)

    def whole_budget_on(self, day: date) -> float:
        """The same, what other accounts have spent of it among it."""
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
