"""What other accounts have spent of a campaign's budget on a day: it is not there to be spent once more."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from bidpilot.serving.flight import Date


class Elsewhere(BaseModel):
    """Money of one day. Whatever is ordered of the budget that day, this is off it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    day: Date = Field(description="YYYY-MM-DD")
    spent: float = Field(ge=0, description="settled, owed and held by other accounts, currency")
