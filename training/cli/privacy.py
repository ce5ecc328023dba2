"""Configuration of `bidpilot privacy`: a bid server's own, typed on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import tyro
from pydantic import Field

from bidpilot.serving.privacy.config import Do, PrivacyConfig
from bidpilot.training.cli.config import Config


class PrivacyCommand(PrivacyConfig, Config):
    """Look after what a bid server keeps: who did what, what is kept of whom, and for how long."""

    basic: ClassVar[tuple[str, ...]] = ("decisions", "keep_days", "campaign", "source", "day", "dry_run", "key_file")
    examples: ClassVar[tuple[str, ...]] = (
        "bidpilot privacy inventory",
        "bidpilot privacy audit serving-state",
        "bidpilot privacy prune serving-state --decisions decisions --keep-days 90 --dry-run",
        "bidpilot privacy delete serving-state --decisions decisions --campaign spring --dry-run",
        "bidpilot privacy new-key bidpilot.key",
    )

    do: tyro.conf.Positional[Do] = Field(description=PrivacyConfig.model_fields["do"].description)
    place: tyro.conf.Positional[Path] = Field(
        Path("serving-state"), description=PrivacyConfig.model_fields["place"].description
    )
