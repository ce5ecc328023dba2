"""Gains of the baselines: a data file that says which run found them, and how they did on held-out data.

An entry belongs to one market: a preset by its name, a log by its digest. A baseline is played with the gains of an
entry where they beat its defaults on whole held-out markets, periods and advertisers, else with its defaults (`tune`).
"""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

GAINS_FILE = "gains.json"

Gains = dict[str, dict[str, float]]
"""Gains by agent; an agent that is not named is played with its defaults."""


def tuned_gains(market: str | None) -> Gains:
    """What baselines are played with on a market; empty where nothing was tuned on it, whatever was on others."""
    return dict(_entry(market).get("gains", {}))


def found_gains(market: str | None) -> Gains:
    """What tuning found on a market, be it better on held-out data or not; empty where nothing was tuned on it."""
    return dict(_entry(market).get("found", {}))


def row_gains(market: str | None) -> Gains:
    """Gains on a market by the row that plays with them: `NAME` as it plays, `NAME_tuned` with what tuning found."""
    return tuned_gains(market) | {f"{agent}_tuned": found for agent, found in found_gains(market).items()}


def _entry(market: str | None) -> dict[str, Any]:
    table = json.loads((resources.files("bidpilot.agents") / "data" / GAINS_FILE).read_text(encoding="utf-8"))
    entry: dict[str, Any] = table.get(market, {})
    return entry
