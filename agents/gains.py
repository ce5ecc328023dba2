"""Tuned gains of the controllers: data files that say which run found them."""

from __future__ import annotations

import json
from importlib import resources

DEFAULT_SETTING = "daily"


def tuned_gains(setting: str) -> dict[str, dict[str, float]]:
    """Gains by agent for a setting; those of `daily` where it has none of its own."""
    table = json.loads((resources.files("bidpilot.agents") / "data" / "gains.json").read_text())
    found: dict[str, dict[str, float]] = table.get(setting, table[DEFAULT_SETTING])["gains"]
    return found
