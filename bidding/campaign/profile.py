"""KPI profiles: what a platform or an advertiser counts as an interaction, and how the KPIs are weighed."""

from __future__ import annotations

import json
from difflib import get_close_matches
from importlib import resources
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from bidpilot.bidding.campaign.scalarisation import check_preference
from bidpilot.bidding.errors import InvalidProfile, UnknownProfile

Weight = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]


class FunnelWeights(BaseModel):
    """Interactions that one event of the funnel counts for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    like: Weight = Field(description="interactions per like")
    comment: Weight = Field(description="interactions per comment")
    share: Weight = Field(description="interactions per share")
    follow: Weight = Field(description="interactions per follow")
    completion: Weight = Field(description="interactions per video watched to its end")

    @model_validator(mode="after")
    def _something_counts(self) -> FunnelWeights:
        if not any(self.in_market_order()):
            raise InvalidProfile("the weights of a profile are all 0: give at least one event of the funnel a weight.")
        return self

    def in_market_order(self) -> tuple[float, float, float, float, float]:
        """Like, comment, share, follow, completion: the order in which markets take them."""
        return self.like, self.comment, self.share, self.follow, self.completion

    def per_event(self) -> tuple[float, ...]:
        """Interactions per event, in the order of `EVENTS`; a view and a conversion count for none."""
        return 0.0, self.completion, self.like, self.comment, self.share, self.follow, 0.0


DEFAULT_WEIGHTS = FunnelWeights(like=1.0, comment=3.0, share=4.0, follow=5.0, completion=0.2)
"""What an interaction is where no profile says otherwise: in markets, in logs with a funnel, and in serving."""


class KpiProfile(BaseModel):
    """Weights of the funnel and the preference that goes with them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    weights: FunnelWeights = Field(description="what the events of the funnel count for")
    preference: tuple[float, float, float] = Field(
        description="weights of exposure, interaction, conversion; non-negative, sum 1"
    )

    @field_validator("preference")
    @classmethod
    def _distribution(cls, value: tuple[float, float, float]) -> tuple[float, float, float]:
        check_preference(value)
        return value


def named_profiles() -> dict[str, KpiProfile]:
    """The profiles that come with the package, by name."""
    text = (resources.files("bidpilot.bidding") / "data" / "profiles.json").read_text(encoding="utf-8")
    return {name: KpiProfile.model_validate(entry) for name, entry in json.loads(text)["profiles"].items()}


def named_profile(name: str) -> KpiProfile:
    """One of `named_profiles`.

    Raises:
        UnknownProfile: names the nearest.
    """
    known = named_profiles()
    if name in known:
        return known[name]
    near = get_close_matches(name, known, n=1)
    hint = f"Did you mean {near[0]}?" if near else f"Use one of: {', '.join(known)}, or the path of a YAML file."
    raise UnknownProfile(f"no KPI profile is called {name!r}. {hint}")
