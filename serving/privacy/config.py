"""Configuration of `bidpilot privacy`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Do = Literal["audit"]


class PrivacyConfig(BaseModel):
    """Look after what a bid server keeps: who did what, what is kept of whom, and for how long."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    do: Do = Field(description="What to do; audit: hold each line of the audit log against the one before.")
    place: Path = Field(Path("serving-state"), description="The server's --state folder.")
    head: str | None = Field(
        None,
        pattern="^[0-9a-f]{64}$",
        description="Hash that the audit log ended with some time, as `audit` printed it: sees what was cut off since.",
    )
