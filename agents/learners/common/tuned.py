"""Tuned settings of learners: a data file each, which says which run found them."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from bidpilot.agents.learners.common.config import LearnerConfig
from bidpilot.bidding.errors import InvalidConfig

C = TypeVar("C", bound=LearnerConfig)


def tuned(learner: str, config: C, setting: str, folder: Path | None = None) -> C:
    """`config` with the tuned settings of `setting` in place of what is at its default.

    Args:
        learner: its name, which is the data file's.
        config: what was asked for; a field with another value than its default keeps it.
        setting: name of the preset or of the log.
        folder: of the data file; the package's data where None.

    Raises:
        InvalidConfig: nothing was tuned for that setting.
    """
    path = (folder or Path(str(resources.files("bidpilot.agents") / "data"))) / f"{learner}.json"
    table: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if setting not in table:
        known = ", ".join(table) or "nothing"
        raise InvalidConfig(
            f"{learner} was not tuned for {setting!r} ({known} in {path}). Run bidpilot tune, or go without."
        )
    default = type(config)()
    free = {k: v for k, v in table[setting]["settings"].items() if getattr(config, k) == getattr(default, k)}
    return type(config).model_validate({**config.model_dump(), **free})
