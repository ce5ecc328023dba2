"""What is going on, for whoever waits: a bar or a spinner on a terminal, a line each in a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

Step = Callable[[str], None]
"""Says what begins; what was begun before is done."""


@contextmanager
def steps(console: Console, total: int) -> Iterator[Step]:
    """Tell of `total` steps: the one at work, how many are done, the time left; in a file a line each."""
    if not console.is_terminal:
        said = ""

        def line(text: str) -> None:
            nonlocal said
            if text != said:
                console.print(f"{text} ...", soft_wrap=True)
            said = text

        yield line
        return
    named = TextColumn("{task.description}")
    columns = (SpinnerColumn(), named, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task, begun = progress.add_task("", total=total), 0

        def step(text: str) -> None:
            nonlocal begun
            progress.update(task, description=text, completed=begun)
            begun += 1

        yield step


@contextmanager
def waiting(console: Console, text: str) -> Iterator[None]:
    """Tell of one thing that takes more than two seconds."""
    if not console.is_terminal:
        console.print(f"{text} ...", soft_wrap=True)
    with console.status(f"{text} ...") if console.is_terminal else nullcontext():
        yield
