"""Tuned gains of the controllers: data files that say which run found them."""

from __future__ import annotations

import json
from importlib import resources

DEFAULT_SETTING, DEFAULT_LOG = "daily", "auctionnet"


def tuned_gains(setting: str, recorded: bool = False) -> dict[str, dict[str, float]]:
    """Gains by agent for a setting; where it has none, those of `daily`, or of `auctionnet` for a recorded log."""
    table = json.loads((resources.files("bidpilot.agents") / "data" / "gains.json").read_text())
    entry = table.get(setting) or table[DEFAULT_LOG if recorded else DEFAULT_SETTING]
    found: dict[str, dict[str, float]] = entry["gains"]
    return found
