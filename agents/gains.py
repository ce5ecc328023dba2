"""Gains of the baselines: a data file that says which run found them, and how they did on held-out data.

An entry belongs to one setting, a preset or a log by its name. A baseline is played with the gains of an entry where
they beat its defaults on whole held-out markets, periods and advertisers, and else with its defaults (`tune`).
"""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

GAINS_FILE = "gains.json"

Gains = dict[str, dict[str, float]]
"""Gains by agent; an agent that is not named is played with its defaults."""


def tuned_gains(setting: str) -> Gains:
    """What baselines are played with on a setting; empty where it was never tuned, whatever others are."""
    return dict(_entry(setting).get("gains", {}))


def found_gains(setting: str) -> Gains:
    """What tuning found on a setting, be it better on held-out data or not; empty where it was never tuned."""
    return dict(_entry(setting).get("found", {}))


def _entry(setting: str) -> dict[str, Any]:
    table = json.loads((resources.files("bidpilot.agents") / "data" / GAINS_FILE).read_text(encoding="utf-8"))
    entry: dict[str, Any] = table.get(setting, {})
    return entry
