"""What the configurations of all commands share. Each command's own stands beside it, in `training/ROOM/config.py`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal

import tyro
from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field

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
THREADS = "Threads that auctions are cleared on; any number gives the same numbers to the last bit."
JsonFile = Annotated[Path | None, tyro.conf.arg(name="json")]
PICTURES: Final = (".eps", ".jpeg", ".jpg", ".pdf", ".png", ".svg", ".tif", ".tiff", ".webp")
"""Endings of files that a figure can be drawn to, in lower case."""


def _drawable(path: Path | None) -> Path | None:
    if path is not None and path.suffix.lower() not in PICTURES:
        raise ValueError(f"no figure can be drawn to {path}: name a file that ends in {', '.join(PICTURES)}")
    return path


FigureFile = Annotated[Path | None, AfterValidator(_drawable)]
"""A file that a figure is drawn to; its ending is checked with the options, before any work."""

_PLACES = (
    "experiment",
    "run_name",
    "resume",
    "json_file",
    "out",
    "install",
    "workers",
    "backend",
    "address",
    "threads",
)
"""Options that say where a run is kept, or how and where it is worked on, and nothing of what it is."""


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


def changed(config: BaseModel, *basics: str) -> dict[str, Any]:
    """What a run's parameters show of a configuration: the options that are not at their defaults, and `basics`.

    Names are those of `flat`; the whole configuration is kept beside them, as the run's `config.json`.

    Args:
        config: the configuration.
        basics: options that are shown whatever they are.
    """
    fields = type(config).model_fields
    usual = {name: field.get_default(call_default_factory=True) for name, field in fields.items()}
    defaults = flat({k: v.model_dump() if isinstance(v, BaseModel) else v for k, v in usual.items()})
    values = {name: value for name, value in flat(config.model_dump()).items() if name not in _PLACES}
    return {name: v for name, v in values.items() if name in basics or name not in defaults or v != defaults[name]}


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
