"""Configuration of `bidpilot privacy`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from bidpilot.serving.privacy.keep import Keep

Do = Literal["audit", "prune"]


class PrivacyConfig(BaseModel):
    """Look after what a bid server keeps: who did what, what is kept of whom, and for how long."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    do: Do = Field(
        description="What to do; audit: hold each line of the audit log against the one before; "
        "prune: remove what is older than keep-days."
    )
    place: Path = Field(Path("serving-state"), description="The server's --state folder.")
    decisions: Path | None = Field(None, description="Folder of its decision log.")
    dry_run: bool = Field(False, description="Say what would be removed, and remove nothing.")
    keep_days: int | None = Field(
        None, ge=1, le=36_500, description="Days after which what is kept is removed, by `prune`."
    )
    keep: Keep = Field(Keep(), description="Days by kind, where not keep-days.")
    head: str | None = Field(
        None,
        pattern="^[0-9a-f]{64}$",
        description="Hash that the audit log ended with some time, as `audit` printed it: sees what was cut off since.",
    )
