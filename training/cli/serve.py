"""Configuration of `bidpilot serve`: a bid server's own, typed on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import tyro
from pydantic import Field

from bidpilot.serving.config import ServeConfig
from bidpilot.training.cli.config import Config


class ServeCommand(ServeConfig, Config):
    """Answer bid requests with a policy bundle: OpenRTB 2.6 over HTTP, with a budget ledger."""

    basic: ClassVar[tuple[str, ...]] = ("budget", "campaigns", "port", "state", "shadow", "decisions")
    examples: ClassVar[tuple[str, ...]] = (
        "bidpilot serve bundle",
        "bidpilot serve bundle --budget 500 --decisions decisions",
    )

    bundle: tyro.conf.Positional[Path] = Field(description="Folder of the policy bundle that bids.")
