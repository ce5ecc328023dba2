"""PPO's tuned settings: a data file that says which run found them."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

from bidpilot.agents.learners.ppo.config import PpoConfig
from bidpilot.bidding.errors import InvalidConfig


def tuned_ppo(config: PpoConfig, setting: str, folder: Path | None = None) -> PpoConfig:
    """`config` with the tuned settings of `setting` in place of what is at its default.

    Args:
        config: what was asked for; a field with another value than its default keeps it.
        setting: name of the preset or of the log.
        folder: of `ppo.json`; the package's data where None.

    Raises:
        InvalidConfig: nothing was tuned for that setting.
    """
    path = (folder or Path(str(resources.files("bidpilot.agents") / "data"))) / "ppo.json"
    table: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if setting not in table:
        known = ", ".join(table) or "nothing"
        raise InvalidConfig(f"PPO was not tuned for {setting!r} ({known} in {path}). Run bidpilot tune, or go without.")
    default = PpoConfig()
    free = {k: v for k, v in table[setting]["settings"].items() if getattr(config, k) == getattr(default, k)}
    return PpoConfig.model_validate({**config.model_dump(), **free})
