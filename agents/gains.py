"""Tuned gains of the controllers: data files that say which run found them."""

from __future__ import annotations

import json
from importlib import resources

DEFAULT_SETTING, DEFAULT_LOG = "daily", "auctionnet"


def tuned_gains(setting: str, recorded: bool = False) -> dict[str, dict[str, float]]:
    """Gains by agent for a setting; those of `daily`, for a recorded log of `auctionnet`, where it has none of its own."""
    table = json.loads((resources.files("bidpilot.agents") / "data" / "gains.json").read_text())
    found: dict[str, dict[str, float]] = table.get(setting, table[DEFAULT_LOG if recorded else DEFAULT_SETTING])[
        "gains"
    ]
    return found
