"""What differs between two trainings: options, what they learnt from, and the code that trained them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from bidpilot.agents.learners.catalogue import LEARNERS
from bidpilot.training.cli.config import flat
from bidpilot.training.tracking import RunInfo, download
from bidpilot.training.tracking.run import CONFIG_FILE

NOT_SET: Final = "-"
"""What stands where a run does not have an option."""
_LEARNT_FROM: Final = ("setting", "log_digest", "training_digest", "fitted_to", "validation", "carries")
_MADE_BY: Final = ("git.commit", "git.dirty", "python")
_PLACES: Final = ("run_name", "experiment", "resume")


def differences(one: RunInfo, other: RunInfo) -> dict[str, tuple[str, str]]:
    """By name what the first has and what the second has; only where they are not the same.

    Raises:
        RunNotFound: a run holds no configuration.
    """
    mine, theirs = _told(one), _told(other)
    pairs = {name: (mine.get(name, NOT_SET), theirs.get(name, NOT_SET)) for name in (*mine, *theirs)}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _told(run: RunInfo) -> dict[str, str]:
    with TemporaryDirectory() as into:
        stored = json.loads(download(run.run_id, CONFIG_FILE, Path(into)).read_text())
    options = {name: _text(value) for name, value in flat(stored).items() if name not in _PLACES}
    kept = {name: value for name, value in options.items() if _of_its_learner(name, stored)}
    versions = {name: value for name, value in run.tags.items() if name.startswith("version.")}
    tags = {name: run.tags[name] for name in (*_LEARNT_FROM, *_MADE_BY) if name in run.tags}
    return kept | tags | versions


def _of_its_learner(name: str, stored: Mapping[str, object]) -> bool:
    """Whether an option is not a hyperparameter of a learner that did not train."""
    group = name.partition(".")[0]
    return group not in LEARNERS or group == stored.get("learner")


def _text(value: object) -> str:
    return NOT_SET if value is None else f"{value:g}" if isinstance(value, float) else str(value)
