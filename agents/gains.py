"""Tuned gains of the controllers: data files that say which run found them."""

from __future__ import annotations

import json
from importlib import resources

from bidpilot.envs.markets.presets import PRESETS


def tuned_gains(setting: str, recorded: bool = False) -> dict[str, dict[str, float]]:
    """Gains by agent that were found for a setting; none where none were, so that every controller is neutral there.

    Gains of another market are never taken in their place, nor those of a preset for a `recorded` log of its name.
    """
    table = json.loads((resources.files("bidpilot.agents") / "data" / "gains.json").read_text())
    if setting not in table or recorded == (setting in PRESETS):
        return {}
    found: dict[str, dict[str, float]] = table[setting]["gains"]
    return found
