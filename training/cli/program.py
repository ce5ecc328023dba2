"""The program: find the command, read its configuration, run it, print errors as one line."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pkgutil import resolve_name
from typing import TYPE_CHECKING

from bidpilot import __version__
from bidpilot.bidding.errors import BidpilotError, InvalidConfig
from bidpilot.training.cli.commands import COMMANDS, Command
from bidpilot.training.cli.next_steps import next_step

if TYPE_CHECKING:
    from bidpilot.training.cli.config import Config

_FAILED = 2  # exit status for everything the caller can mend
_INTERRUPTED = 130  # 128 + SIGINT, as a shell reports it
_UNREAD = 141  # 128 + SIGPIPE


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command from `arguments` (the process's own where None).

    Raises:
        SystemExit: with status 2 after an error of the caller (one line on stderr), 130 after Ctrl-C, 141 where nobody
            reads the output any more, as under `| head`.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if arguments is None:
        gc.disable()  # until all is loaded: what libraries make stays, and looking through it takes a second
    try:
        _dispatch(given)
        sys.stdout.flush()
    except BrokenPipeError:
        # what is still to be written at the end of the process goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(_UNREAD) from None
    except BidpilotError as error:
        print(f"bidpilot: {' '.join(str(error).split())}", file=sys.stderr)
        raise SystemExit(_FAILED) from None
    except KeyboardInterrupt:
        print("bidpilot: interrupted", file=sys.stderr)
        raise SystemExit(_INTERRUPTED) from None


def _dispatch(given: list[str]) -> None:
    if not given or given[0] in ("-h", "--help", "help"):
        print(_help())
        return
    if given[0] == "--version":
        print(f"bidpilot {__version__}")
        return
    if wanted := _family(given):
        print(_help(wanted))
        return
    command, rest = find_command(given)
    # tyro and pydantic load only now, so that `bidpilot --help` answers at once.
    from bidpilot.training.cli.overlay import read_config

    config = read_config(resolve_name(command.config), rest, prog=f"bidpilot {command.name}")
    run = _loaded(command)
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
    result = run(config)
    follows = next_step(command.name, config, result)
    if follows is not None:
        print(f"next: {follows}")


def _loaded(command: Command) -> Callable[[Config], object]:
    """The function of a command; its libraries take seconds to load, and a terminal is told so meanwhile."""
    told = sys.stderr.isatty()
    if told:
        print(f"loading {command.name} ...", end="\r", file=sys.stderr, flush=True)
    run: Callable[[Config], object] = resolve_name(command.run)
    if told:
        print("\x1b[2K", end="", file=sys.stderr, flush=True)
    return run


def find_command(given: Sequence[str]) -> tuple[Command, list[str]]:
    """The command that arguments begin with, by one word or two, and the arguments after its name.

    Raises:
        InvalidConfig: no such command; says which is near.
    """
    for command in COMMANDS:
        words = command.name.split()
        if list(given[: len(words)]) == words:
            return command, list(given[len(words) :])
    names = [command.name for command in COMMANDS]
    shared = any(name.startswith(f"{given[0]} ") for name in names)
    typed = " ".join(given[: 2 if shared else 1])
    near = get_close_matches(typed, names, n=1)
    hint = f"did you mean {near[0]}?" if near else f"choose one of {', '.join(names)}"
    raise InvalidConfig(f"unknown command {typed!r}: {hint}")


def _family(given: Sequence[str]) -> tuple[Command, ...]:
    """The commands whose first word this is, where nothing but help is asked for after it; else none."""
    if list(given[1:]) not in ([], ["-h"], ["--help"]):
        return ()
    return tuple(command for command in COMMANDS if command.name.startswith(f"{given[0]} "))


def _help(commands: Sequence[Command] | None = None) -> str:
    """The commands, of all where none are given."""
    commands = COMMANDS if commands is None else commands
    width = max(len(command.name) for command in commands)
    lines = [
        "usage: bidpilot COMMAND [--config FILE.yaml] [OPTIONS]",
        "",
        "Learned bids and budgets for short-video promotion in real-time auctions.",
        "",
        *(f"  {command.name:<{width}}  {command.summary}" for command in commands),
        "",
        "bidpilot COMMAND --help explains every option, with its unit and default.",
        "A YAML file given with --config sets the defaults; options on the command line override it.",
    ]
    return "\n".join(lines)
