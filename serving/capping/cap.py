"""What a campaign asks for: so many exposures to one person within so many hours."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

LONGEST = 168
"""Hours of the longest window."""


class Cap(BaseModel):
    """One cap; of several each holds."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    most: int = Field(ge=1, le=1000, description="exposures to one person within the hours")
    hours: float = Field(gt=0, le=LONGEST, description="length of the window, which moves, hours")
    per: Literal["campaign", "creative"] = Field("campaign", description="exposures of what: of all creatives, or each")

    @property
    def seconds(self) -> float:
        """The window's length."""
        return self.hours * 3600.0
