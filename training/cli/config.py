"""What the configurations of all commands share. Each command's own stands beside it, in `training/ROOM/config.py`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import tyro
from pydantic import AliasChoices, BaseModel, ConfigDict, Field

Count = Annotated[int, Field(gt=0)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Carries = Annotated[
    Literal["auto", "rates", "money"],
    Field(
        description="What of a log's conversions carries over between campaigns, and so stands in its forecast: their "
        "rates, or the money that they are worth; auto: what differs less between the log's campaigns, rates in doubt."
    ),
]
JsonFile = Annotated[Path | None, tyro.conf.arg(name="json")]


class Config(BaseModel):
    """Base of all configuration: frozen, unknown keys and infinite numbers are errors."""

    basic: ClassVar[tuple[str, ...]] = ()
    """Fields that `--help` shows first, in this order; all are shown alike where none is named."""
    examples: ClassVar[tuple[str, ...]] = ()
    """Commands that `--help` ends with."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def json_file(what: str) -> Any:
    """The field of an option `--json FILE`, in YAML `json: FILE`; `what` is written there, in words."""
    choices = AliasChoices("json", "json_file")
    return Field(None, validation_alias=choices, description=f"File to write {what} to, as JSON.")


def given(config: BaseModel, prefix: str = "") -> list[str]:
    """The options that were given, the default or not, by the names that `--help` shows."""
    names: list[str] = []
    for name in type(config).model_fields:
        value = getattr(config, name)
        if name in config.model_fields_set:
            inner = given(value, f"{prefix}{name}.") if isinstance(value, BaseModel) else []
            names.extend(inner or [f"{prefix}{name}".replace("_", "-")])
    return names


def flat(config: Config | Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten a configuration to `group.field: value`, the names that `--help` shows.

    Tuples become space-separated text, as one would type them; None and paths become text.
    """
    fields = config.model_dump() if isinstance(config, Config) else config
    values: dict[str, Any] = {}
    for name, value in fields.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping):
            values.update(flat(value, f"{key}."))
        elif isinstance(value, (tuple, list)):
            values[key] = " ".join(str(item) for item in value)
        elif value is None or isinstance(value, (str, int, float)):
            values[key] = value
        else:
            values[key] = str(value)
    return values
