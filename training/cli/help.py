"""`bidpilot COMMAND --help`: arguments, basic options, the rest in groups, examples at the end."""

from __future__ import annotations

import inspect
import shutil
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from bidpilot.training.cli.config import Config
from bidpilot.training.cli.options import Option, options_of

_WIDEST = 110  # columns of text
_COLUMN = 30  # where descriptions begin
_CONFIG = (
    "  --config FILE.yaml",
    "YAML file of the same names, with dashes or underscores; options override it.",
)
_HELP = ("  -h, --help", "Show this.")


def command_help(model: type[Config], prog: str, default: Config | None = None) -> str:
    """The help of a command with this configuration, whose defaults are those of `default`."""
    options = options_of(model, default)
    arguments = [option for option in options if option.positional]
    typed = {option.name: option for option in options if not option.positional}
    basic = [option for option in typed.values() if option.required and option.path[0] not in model.basic]
    if model.basic:
        basic += [option for name in model.basic for option in typed.values() if option.path == (name,)]
    else:
        basic += [option for option in typed.values() if not option.group and option not in basic]
    rest = [option for option in typed.values() if option not in basic]
    groups = {group: [o for o in rest if o.group == group] for group in dict.fromkeys(option.group for option in rest)}
    own = groups.pop("", [])
    parts = [
        [_usage(prog, arguments, basic), "", *_wrapped(inspect.cleandoc(model.__doc__ or ""))],
        _section("arguments", [(f"  {_place(option)}", _described(option)) for option in arguments]),
        _section("basic options" if basic and rest else "options", [*map(_line, basic), _CONFIG, _HELP]),
        _section("options", list(map(_line, own))),
        *(_section(_title(group, model), list(map(_line, of))) for group, of in groups.items()),
        _section("examples", [(f"  {example}", "") for example in model.examples]),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part)


def _usage(prog: str, arguments: Sequence[Option], basic: Sequence[Option]) -> str:
    typed = [_place(option) if option.required else f"[{_place(option)}]" for option in arguments]
    required = [f"{option.flags[0]} {option.value}" for option in basic if option.required]
    return " ".join(("usage:", prog, *typed, *required, "[OPTIONS]"))


def _place(option: Option) -> str:
    """How an argument is called: what it is, and whether there may be several."""
    return option.name.upper() + (" ..." if option.value.endswith("...") else "")


def _line(option: Option) -> tuple[str, str]:
    return f"  {', '.join(option.flags)} {option.value}".rstrip(), _described(option)


def _described(option: Option) -> str:
    """The description, with the choices of an argument and the default where there is one."""
    choices = f" One of {option.value}." if option.positional and option.value.startswith("{") else ""
    shown = "required" if option.required else _shown(option.default)
    if shown and not option.required:
        shown = f"default: {shown}"
    return f"{option.description}{choices}" + (f" ({shown})" if shown else "")


def _shown(value: Any) -> str:
    """A default as one would type it; empty where it is none, which descriptions say in words."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, (tuple, list)):
        return " ".join(map(str, value))
    if isinstance(value, Mapping):
        return " ".join(f"{key} {entry}" for key, entry in value.items())
    return "" if value is None else str(value)


def _title(group: str, model: type[BaseModel]) -> str:
    """The name of a group, and what it is where a field holds it."""
    field = model.model_fields.get(group.replace("-", "_"))
    return f"{group} options" + (f": {field.description}" if field is not None and field.description else "")


def _section(title: str, lines: Sequence[tuple[str, str]]) -> list[str]:
    """A title and its lines: what is typed, and beside it, or below where it is long, what it means."""
    if not lines:
        return []
    shown = [f"{title.rstrip('.')}:" if not title.endswith(".") else title]
    for typed, meaning in lines:
        told = textwrap.wrap(meaning, max(_columns() - _COLUMN, 30), break_on_hyphens=False)
        if len(typed) + 2 > _COLUMN or not told:
            shown.append(typed)
        else:
            shown.append(f"{typed:<{_COLUMN}}{told.pop(0)}")
        shown += [" " * _COLUMN + line for line in told]
    return shown


def _wrapped(text: str) -> list[str]:
    """Paragraphs of a docstring, without what it says of errors, as wide as the terminal."""
    paragraphs = text.partition("\nRaises:")[0].strip().split("\n\n")
    lines = [
        [*textwrap.wrap(" ".join(paragraph.split()), _columns(), break_on_hyphens=False), ""]
        for paragraph in paragraphs
    ]
    return [line for paragraph in lines for line in paragraph][:-1]


def _columns() -> int:
    return min(shutil.get_terminal_size().columns, _WIDEST)
