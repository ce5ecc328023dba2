"""The form in which campaigns said what is shown before they had creatives: an id, domains and markup, unchecked."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class OldCreative(BaseModel):
    """What an exchange is given to show, as a video of unknown size and duration. Where given it stands alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    crid: str = Field("video", min_length=1, description="creative id")
    adomain: tuple[str, ...] = Field((), description="advertiser domains")
    adm: str | None = Field(None, description="markup of the advertisement")

    @property
    def given(self) -> bool:
        """Whether anything was said: the defaults alone are no creative."""
        return self != OldCreative()
