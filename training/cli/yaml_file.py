"""YAML files: read, and their faults said in one line."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from bidpilot.bidding.errors import InvalidConfig


def load_mapping(path: Path) -> dict[str, Any]:
    """The keys and values of a YAML file; none where it is empty.

    Raises:
        InvalidConfig: it cannot be read, is not YAML, or holds something else.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not UTF-8 text"
        raise InvalidConfig(f"configuration {path} cannot be read ({reason}): give a YAML file") from None
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InvalidConfig(f"{path} is not YAML ({' '.join(str(error).split())}): mend the file") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise InvalidConfig(f"{path} holds a {type(values).__name__}: write `option: value` lines")
    return values


def explain(error: ValidationError, model: type[BaseModel], prefix: tuple[str, ...] = (), skip: str = "") -> str:
    """Say one fault, an unknown key before all others, as `option = value: reason`, and how many more there are."""
    faults = [fault for fault in error.errors(include_url=False) if fault["type"] != skip]
    # A misspelt key is also a missing one; the spelling is what to mend.
    first = next((fault for fault in faults if fault["type"] == "extra_forbidden"), faults[0])
    where = (*prefix, *(str(part) for part in first["loc"]))
    name = ".".join(where)
    if first["type"] == "extra_forbidden":
        text = f"unknown key {name}{_nearest(where, model)}"
    elif first["type"] == "missing":
        text = f"{name} is required"
    elif first["type"] == "value_error":
        # A model's own check: its message names the fields and the remedy.
        text = ": ".join(filter(None, (name, first["msg"].removeprefix("Value error, "))))
    else:
        text = f"{name} = {first['input']!r}: {first['msg']}"
    return text if len(faults) == 1 else f"{text} (and {len(faults) - 1} more)"


def _nearest(where: tuple[str, ...], model: type[BaseModel]) -> str:
    """Suggest the option most like the unknown one, within its group."""
    group = model
    for part in where[:-1]:
        field = group.model_fields.get(part)
        inner = None if field is None else field.annotation
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return ""
        group = inner
    near = get_close_matches(where[-1], list(group.model_fields), n=1)
    return f", did you mean {near[0]}?" if near else f", known here: {', '.join(group.model_fields)}"
