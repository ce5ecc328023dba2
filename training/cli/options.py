"""The options of a command by the names that are typed: what `--help` lists, and what a YAML file may hold."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import tyro
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from bidpilot.bidding.errors import InvalidConfig

GROUP = "group"
"""Key of `json_schema_extra` that says which group of the help an option is in."""
_LETTERS = {int: "INT", float: "FLOAT", str: "STR", Path: "PATH", bool: "{True,False}"}


@dataclass(frozen=True)
class Option:
    """One field of a configuration as it is typed."""

    path: tuple[str, ...]  # names of the fields that lead to it, its own last
    name: str  # `group.field-name`, without dashes before it
    value: str  # what follows it, in letters; empty for a flag
    description: str
    default: Any  # None where it has none
    required: bool
    positional: bool
    group: str  # of the help; empty for the command's own

    @property
    def flags(self) -> tuple[str, ...]:
        """How it is typed."""
        if self.positional:
            return ()
        return (f"--{self.name}",) if self.value else (f"--{self.name}", f"--{self._negated}")

    @property
    def _negated(self) -> str:
        group, dot, name = self.name.rpartition(".")
        return f"{group}{dot}no-{name}"


def options_of(model: type[BaseModel], default: BaseModel | None = None) -> list[Option]:
    """The options of a command's configuration, in the order of its fields; defaults are those of `default`."""
    return list(_options(model, default, ()))


def check_flags(arguments: Sequence[str], model: type[BaseModel]) -> None:
    """Refuse options that the command does not have.

    Raises:
        InvalidConfig: names all of them, and for each the nearest that there is.
    """
    known = [flag for option in options_of(model) for flag in option.flags]
    typed = [argument.partition("=")[0] for argument in arguments if argument.startswith("--") and argument != "--"]
    unknown = [flag for flag in dict.fromkeys(typed) if flag.replace("_", "-") not in known]
    if unknown:
        raise InvalidConfig(said_unknown("option", {flag: near(flag.replace("_", "-"), known) for flag in unknown}))


def by_field(values: Mapping[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """Values of a YAML file by the names of fields: keys may be those of `--help`, with dashes, underscores and dots.

    What is no option stays as it is.

    Raises:
        InvalidConfig: two keys are one option.
    """
    names = {_typed_name(name, field): name for name, field in model.model_fields.items()}
    found: dict[str, Any] = {}
    for key, value in values.items():
        first, dot, rest = str(key).partition(".")
        name = names.get(first.replace("_", "-"), first.replace("-", "_"))
        group = _group(model, name)
        if group is None:
            name, inner = (str(key), value) if name not in model.model_fields else (name, value)
            twice = name in found
        else:
            inner = {rest: value} if dot else value
            inner = by_field(inner, group) if isinstance(inner, Mapping) else inner
            before = found.get(name, {})
            both = isinstance(inner, Mapping) and isinstance(before, Mapping)
            twice = bool(set(before) & set(inner)) if both else name in found
            inner = {**before, **inner} if both else inner
        if twice:
            raise InvalidConfig(f"key {key} is given twice, with a dash, an underscore or a dot: keep one")
        found[name] = inner
    return found


def near(name: str, known: Sequence[str]) -> str | None:
    """What may have been meant."""
    return next(iter(get_close_matches(name, known, n=1)), None)


def said_unknown(what: str, unknown: Mapping[str, str | None], known: str = "") -> str:
    """A line on names that do not exist, each with what may have been meant; what is known where nothing is near."""
    if len(unknown) == 1:
        ((name, meant),) = unknown.items()
        hint = f", did you mean {meant}?" if meant else f", known here: {known}" if known else ""
        return f"unknown {what} {name}{hint}"
    return f"unknown {what}s " + ", ".join(f"{n} (did you mean {m}?)" if m else n for n, m in unknown.items())


def _options(model: type[BaseModel], default: BaseModel | None, path: tuple[str, ...]) -> Iterator[Option]:
    for name, field in model.model_fields.items():
        value = field.get_default(call_default_factory=True) if default is None else getattr(default, name)
        group = _group(model, name)
        if group is not None:
            yield from _options(group, value if isinstance(value, BaseModel) else None, (*path, name))
            continue
        required = value is tyro.MISSING or (default is None and field.is_required())
        extra = field.json_schema_extra
        own = ".".join(path).replace("_", "-")
        yield Option(
            path=(*path, name),
            name=".".join(filter(None, (own, _typed_name(name, field)))),
            value="" if field.annotation is bool else _letters(field.annotation),
            description=field.description or "",
            default=None if required else value,
            required=required,
            positional=tyro.conf.Positional in field.metadata,
            group=own or (str(extra.get(GROUP, "")) if isinstance(extra, dict) else ""),
        )


def _group(model: type[BaseModel], name: str) -> type[BaseModel] | None:
    """The model of a group of options; None where a field is an option itself."""
    field = model.model_fields.get(name)
    inner = None if field is None else field.annotation
    return inner if isinstance(inner, type) and issubclass(inner, BaseModel) else None


def _typed_name(name: str, field: FieldInfo) -> str:
    """The name of a field as it is typed: its own with dashes, or the one that tyro is given."""
    given = (getattr(mark, "name", None) for mark in field.metadata)
    return next((str(other) for other in given if isinstance(other, str)), name).replace("_", "-")


def _letters(kind: Any) -> str:
    """What a value looks like: INT, PATH, {one,other}, or several of them; None is not typed."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _letters(inner[0])
    if origin is Literal:
        return "{" + ",".join(map(str, inner)) + "}"
    if origin in (Union, types.UnionType):
        parts = [_letters(part) for part in inner if part is not type(None)]
        choices = ",".join(part.strip("{}") for part in parts)
        return "{" + choices + "}" if all(part.startswith("{") for part in parts) else "|".join(parts)
    if origin is tuple:
        return f"{_letters(inner[0])} ..." if inner[-1] is ... else " ".join(map(_letters, inner))
    if origin is dict:
        return " ".join(map(_letters, inner)) + " ..."
    if isinstance(kind, type) and issubclass(kind, Enum):
        return "{" + ",".join(str(choice.value) for choice in kind) + "}"
    return _LETTERS.get(kind, str(getattr(kind, "__name__", kind)).upper())
