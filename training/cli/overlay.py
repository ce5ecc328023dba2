"""Configuration from a YAML file with overrides on the command line."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any, TypeVar, cast

import tyro
from pydantic import BaseModel, ValidationError, create_model

from bidpilot.bidding.errors import InvalidConfig
from bidpilot.training.cli.config import Config, flat
from bidpilot.training.cli.help import command_help
from bidpilot.training.cli.options import by_field, check_flags
from bidpilot.training.cli.yaml_file import explain, load_mapping

C = TypeVar("C", bound=Config)
M = TypeVar("M", bound=BaseModel)


def read_config(model: type[C], arguments: Sequence[str], prog: str) -> C:
    """Build a `model` from `arguments`: field defaults, then `--config FILE.yaml`, then options.

    Its `model_fields_set`, in groups too, is what was given, be it the default. Prints the help and exits with
    status 0 where `--help` is among the arguments.

    Raises:
        InvalidConfig: naming the option, its value and what would do, in one line.
    """
    path, rest = _split_config_flag(arguments)
    written = {} if path is None else _of_fields(path, model)
    default = None if path is None else _from_yaml(model, path, written)
    if {"-h", "--help"} & set(rest):
        print(command_help(model, prog, default))
        raise SystemExit(0)
    check_flags(rest, model)
    shown = io.StringIO()
    try:
        with redirect_stderr(shown):
            config = tyro.cli(model, args=rest, default=default, prog=prog)
            names = _typed(rest) | set(flat(written))
            return _as_given(cast(C, config), names)  # tyro's signature lets a default of None through
    except SystemExit as stop:
        if stop.code in (None, 0):
            raise
        rejected = _validation_error_behind(stop)
        if rejected is None:
            cause = _one_line(shown.getvalue())
        else:
            cause = explain(rejected, model, _path_to(rejected.title, model))
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


def _of_fields(path: Path, model: type[BaseModel]) -> dict[str, Any]:
    try:
        return by_field(load_mapping(path), model)
    except InvalidConfig as error:
        raise InvalidConfig(f"{path}: {error}" if str(path) not in str(error) else str(error)) from None


def _from_yaml(model: type[C], path: Path, values: dict[str, Any]) -> C:
    """Validate the values of a YAML file; fields without a default that it leaves out must come as options."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        missing = [entry for entry in error.errors() if entry["type"] == "missing" and len(entry["loc"]) == 1]
        if len(missing) < error.error_count():
            raise InvalidConfig(f"{path}: {explain(error, model, skip='missing')}") from None
    # The absent are declared as tyro's own "must be typed", and all that is given is validated.
    absent: dict[str, Any] = {str(entry["loc"][0]): (Any, tyro.MISSING) for entry in missing}
    partial = create_model(model.__name__, __base__=model, **absent).model_validate(values)
    return cast(C, model.model_construct(**{name: getattr(partial, name) for name in model.model_fields}))


def _typed(arguments: Sequence[str]) -> set[str]:
    """The names of the options among the arguments, as fields are called: `--group.no-name` gives `group.name`."""
    names = set()
    for argument in arguments:
        if argument.startswith("--"):
            group, _, name = argument[2:].partition("=")[0].replace("-", "_").rpartition(".")
            names |= {".".join(filter(None, (group, form))) for form in (name, name.removeprefix("no_"))}
    return names


def _as_given(config: M, names: set[str], prefix: str = "") -> M:
    """`config`, of whose fields only those set count that are among `names` or not at their default."""
    values, given = {}, set()
    for name, field in type(config).model_fields.items():
        value = getattr(config, name)
        if isinstance(value, BaseModel):
            value = _as_given(value, names, f"{prefix}{name}.")
            changed = bool(value.model_fields_set)
        else:
            changed = value != field.get_default(call_default_factory=True)
        if changed or f"{prefix}{name}" in names:
            given.add(name)
        values[name] = value
    return type(config).model_construct(given, **values)


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
