"""Configuration of `bidpilot backup` and `bidpilot restore`: a bid server's own, typed on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import tyro
from pydantic import Field

from bidpilot.serving.backup import config as own
from bidpilot.training.cli.config import Config


class BackupCommand(own.BackupConfig, Config):
    """Copy a bid server's state folder, also while it serves."""

    examples: ClassVar[tuple[str, ...]] = ("bidpilot backup serving-state backups/2026-11-27",)

    state: tyro.conf.Positional[Path] = Field(description=own.BackupConfig.model_fields["state"].description)
    out: tyro.conf.Positional[Path] = Field(description=own.BackupConfig.model_fields["out"].description)


class RestoreCommand(own.RestoreConfig, Config):
    """Put a copy of a state folder back. All that a day had left counts as spent since, unless told."""

    examples: ClassVar[tuple[str, ...]] = ("bidpilot restore backups/2026-11-27 serving-state",)

    backup: tyro.conf.Positional[Path] = Field(description=own.RestoreConfig.model_fields["backup"].description)
    state: tyro.conf.Positional[Path] = Field(description=own.RestoreConfig.model_fields["state"].description)
