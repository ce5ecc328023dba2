"""Configuration from a YAML file with overrides on the command line."""

from __future__ import annotations

import inspect
import io
from collections.abc import Sequence
from contextlib import redirect_stderr
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, cast

import tyro
import yaml
from pydantic import BaseModel, ValidationError, create_model

from bidpilot.bidding.errors import InvalidConfig
from bidpilot.training.config import Config

C = TypeVar("C", bound=Config)

_CONFIG_HELP = "--config FILE.yaml gives a file with the names below; options typed here override it."


def read_config(model: type[C], arguments: Sequence[str], prog: str) -> C:
    """Build a `model` from `arguments`: field defaults, then `--config FILE.yaml`, then options.

    Prints the help and exits with status 0 where `--help` is among the arguments.

    Raises:
        InvalidConfig: naming the option, its value and what would do, in one line.
    """
    path, rest = _split_config_flag(arguments)
    default = None if path is None else _from_yaml(model, path)
    description = f"{inspect.cleandoc(model.__doc__ or '')}\n\n{_CONFIG_HELP}"
    shown = io.StringIO()
    try:
        with redirect_stderr(shown):
            config = tyro.cli(model, args=rest, default=default, prog=prog, description=description)
            return cast(C, config)  # tyro's signature lets a default of None through
    except SystemExit as stop:
        if stop.code in (None, 0):
            raise
        rejected = _validation_error_behind(stop)
        if rejected is None:
            cause = _one_line(shown.getvalue())
        else:
            cause = _explain(rejected, model, _path_to(rejected.title, model))
    # Outside the handler: the caller sees the error alone, not tyro's way of leaving.
    raise InvalidConfig(f"{cause}; {prog} --help shows what may be set")


def _split_config_flag(arguments: Sequence[str]) -> tuple[Path | None, list[str]]:
    """Take `--config FILE` or `--config=FILE` out of the arguments."""
    path: Path | None = None
    rest: list[str] = []
    pending = iter(arguments)
    for argument in pending:
        if argument != "--config" and not argument.startswith("--config="):
            rest.append(argument)
            continue
        value = argument.removeprefix("--config=") if "=" in argument else next(pending, "")
        if not value or value.startswith("--"):
            raise InvalidConfig("--config names no file: give the path of a YAML file")
        if path is not None:
            raise InvalidConfig(f"--config is given twice, {path} and {value}: keep one file")
        path = Path(value)
    return path, rest


def _from_yaml(model: type[C], path: Path) -> C:
    """Validate a YAML file; fields without a default that it leaves out must come as options."""
    values = _load_mapping(path)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        missing = [entry for entry in error.errors() if entry["type"] == "missing" and len(entry["loc"]) == 1]
        if len(missing) < error.error_count():
            raise InvalidConfig(f"{path}: {_explain(error, model, skip='missing')}") from None
    # The absent are declared as tyro's own "must be typed", and all that is given is validated.
    absent: dict[str, Any] = {str(entry["loc"][0]): (Any, tyro.MISSING) for entry in missing}
    partial = create_model(model.__name__, __base__=model, **absent).model_validate(values)
    return cast(C, model.model_construct(**{name: getattr(partial, name) for name in model.model_fields}))


def _load_mapping(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not UTF-8 text"
        raise InvalidConfig(f"configuration {path} cannot be read ({reason}): give a YAML file") from None
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InvalidConfig(f"{path} is not YAML ({_one_line(str(error))}): mend the file") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise InvalidConfig(f"{path} holds a {type(values).__name__}: write `option: value` lines")
    return values


def _explain(error: ValidationError, model: type[BaseModel], prefix: tuple[str, ...] = (), skip: str = "") -> str:
    """Say the first fault as `option = value: reason`, with the number of further faults."""
    faults = [fault for fault in error.errors(include_url=False) if fault["type"] != skip]
    first = faults[0]
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


def _path_to(title: str, model: type[BaseModel]) -> tuple[str, ...]:
    """Find the group whose model is called `title`; pydantic names only the inner model."""
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            if inner.__name__ == title:
                return (name,)
            deeper = _path_to(title, inner)
            if deeper:
                return (name, *deeper)
    return ()


def _validation_error_behind(error: BaseException) -> ValidationError | None:
    """Follow the chain of exceptions that ended in tyro's exit."""
    behind: BaseException | None = error
    while behind is not None:
        if isinstance(behind, ValidationError):
            return behind
        behind = behind.__cause__ or behind.__context__
    return None


def _one_line(box: str) -> str:
    """Take the message out of tyro's box: what stands above its first inner rule."""
    lines: list[str] = []
    for line in box.splitlines():
        text = line.strip().strip("│").strip()
        if text.startswith(("╭", "╰")):
            continue
        if text.startswith("───"):
            break
        lines.append(text)
    return " ".join(filter(None, lines)).rstrip(".")
