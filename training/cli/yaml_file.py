"""YAML files: read, and their faults said in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from bidpilot.bidding.errors import InvalidConfig
from bidpilot.training.cli.options import near, said_unknown


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
    """Say all unknown keys, or else one fault, as `option = value: reason`, and how many more there are."""
    faults = [fault for fault in error.errors(include_url=False) if fault["type"] != skip]
    # A misspelt key is also a missing one; the spelling is what to mend.
    unknown = [_where(fault, prefix) for fault in faults if fault["type"] == "extra_forbidden"]
    if unknown:
        known = _known(unknown[0], model)
        meant = {".".join(where): near(where[-1], _known(where, model)) for where in unknown}
        return said_unknown("key", meant, ", ".join(known))
    first = faults[0]
    name = ".".join(_where(first, prefix))
    if first["type"] == "missing":
        text = f"{name} is required"
    elif first["type"] == "value_error":
        # A model's own check: its message names the fields and the remedy.
        text = ": ".join(filter(None, (name, first["msg"].removeprefix("Value error, "))))
    else:
        text = f"{name} = {first['input']!r}: {first['msg']}"
    return text if len(faults) == 1 else f"{text} (and {len(faults) - 1} more)"


def _where(fault: ErrorDetails, prefix: tuple[str, ...]) -> tuple[str, ...]:
    return (*prefix, *(str(part) for part in fault["loc"]))


def _known(where: tuple[str, ...], model: type[BaseModel]) -> list[str]:
    """The options of the group that a key is in; none where that is no group."""
    group = model
    for part in where[:-1]:
        field = group.model_fields.get(part)
        inner = None if field is None else field.annotation
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        group = inner
    return list(group.model_fields)
