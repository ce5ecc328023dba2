"""Configuration of `bidpilot serve`: a bid server's own, typed on the command line."""

from __future__ import annotations

from pathlib import Path

import tyro
from pydantic import Field

from bidpilot.serving.config import ServeConfig
from bidpilot.training.cli.config import Config


class ServeCommand(ServeConfig, Config):
    """Answer bid requests with a policy bundle: OpenRTB 2.6 over HTTP, with a budget ledger."""

    bundle: tyro.conf.Positional[Path] = Field(description="Folder of the policy bundle that bids.")
