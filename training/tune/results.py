"""The data files that tuning writes: an entry per setting, with the run that found it."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

from bidpilot.bidding.errors import InvalidConfig

TUNED_FILE = "tuned.json"
"""What a run found: the entry of its setting in each data file."""
CONFIG_FILE = "config.json"
"""The configuration of a run, to go on with."""


def settings_file(learner: str) -> str:
    """Name of the file of a learner's tuned settings."""
    return f"{learner}.json"


def data_folder() -> Path:
    """Where training and evaluation read the files from."""
    return Path(str(resources.files("bidpilot.agents") / "data"))


def write_entry(path: Path, setting: str, entry: dict[str, Any]) -> None:
    """Set the entry of `setting` in the file at `path`, and leave the others as they are.

    Raises:
        InvalidConfig: the file is there and is no such table.
    """
    table = read_table(path)
    table[setting] = entry
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = path.with_suffix(".partial")
    whole.write_text(json.dumps(table, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    whole.replace(path)


def read_table(path: Path) -> dict[str, Any]:
    """The table at `path`, empty where there is no file.

    Raises:
        InvalidConfig: the file is there and is no such table.
    """
    if not path.exists():
        return {}
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InvalidConfig(f"{path} is no table of tuned settings ({error}). Move it away.") from None
    if not isinstance(table, dict):
        raise InvalidConfig(f"{path} holds a {type(table).__name__}, not a table of tuned settings. Move it away.")
    return table
