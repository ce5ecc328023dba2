"""Configuration of `bidpilot backup` and `bidpilot restore`."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from bidpilot.bidding.zone import ZoneName


class BackupConfig(BaseModel):
    """Copy a bid server's state folder, also while it serves."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    state: Path = Field(description="The server's --state folder.")
    out: Path = Field(description="Folder of the copy; it must not be there.")


class RestoreConfig(BaseModel):
    """Put a copy of a state folder back. All that a day had left counts as spent since, unless told."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    backup: Path = Field(description="Folder of the copy.")
    state: Path = Field(description="The server's --state folder; the server must not run.")
    force: bool = Field(False, description="Replace a state that is there; it is kept beside it.")
    spent: Path | None = Field(
        None,
        description='JSON file of what exchanges have billed since the copy, currency: {"NAME@DATE": 12.5}; a day that '
        "is not in it counts as wholly spent.",
    )
    nothing_since: bool = Field(False, description="No bid was made since the copy, as where a stopped server moves.")
    timezone: tuple[ZoneName, ...] = Field(
        ("UTC",), min_length=1, description="IANA names of the time zones of the campaigns' days."
    )
