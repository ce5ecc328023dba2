"""Configuration of `bidpilot privacy`."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from bidpilot.serving.privacy.keep import Keep

Do = Literal["inventory", "audit", "prune", "delete", "new-key", "rekey"]


class PrivacyConfig(BaseModel):
    """Look after what a bid server keeps: who did what, what is kept of whom, and for how long."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    do: Do = Field(
        description="What to do; inventory: say what is kept where, why and how long; audit: hold each line of the "
        "audit log against the one before; prune: remove what is older than keep-days; delete: remove a campaign, "
        "source or day; new-key: make a key of encryption in the file PLACE; rekey: encrypt with another key."
    )
    place: Path = Field(
        Path("serving-state"), description="The server's --state folder; of new-key the file to be made."
    )
    decisions: Path | None = Field(None, description="Folder of its decision log.")
    keep_days: int | None = Field(
        None, ge=1, le=36_500, description="Days after which what is kept is removed, by `prune`."
    )
    keep: Keep = Field(Keep(), description="Days by kind, where not keep-days.")
    campaign: str | None = Field(None, min_length=1, description="Campaign to delete.")
    source: int | None = Field(None, ge=0, description="Source to delete, by the number of its cluster.")
    day: date | None = Field(None, description="Day to delete, as 2026-11-27.")
    dry_run: bool = Field(False, description="Say what would be removed, and remove nothing.")
    key_file: Path | None = Field(None, description="File of the key that the server encrypts with.")
    new_key_file: Path | None = Field(None, description="File of the key to encrypt with from now on, by `rekey`.")
    head: str | None = Field(
        None,
        pattern="^[0-9a-f]{64}$",
        description="Hash that the audit log ended with some time, as `audit` printed it: sees what was cut off since.",
    )
