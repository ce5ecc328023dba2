"""Whoever waits is told: a line each in a file, and on a terminal what goes away again."""

from io import StringIO

from rich.console import Console

from bidpilot.training.report.progress import steps, waiting


def test_a_file_has_a_line_for_whatever_begins_and_none_twice() -> None:
    out = StringIO()
    console = Console(file=out)
    with steps(console, 3) as step:
        for text in ("playing mpc", "playing mpc", "playing plan"):
            step(text)
    with waiting(console, "planning"):
        pass
    assert out.getvalue() == "playing mpc ...\nplaying plan ...\nplanning ...\n"


def test_a_terminal_shows_what_is_at_work_and_how_much_is_done() -> None:
    out = StringIO()
    with steps(Console(file=out, force_terminal=True, width=80), 2) as step:
        step("playing mpc")
        step("playing plan")
    assert "playing plan" in out.getvalue()
    assert "1/2" in out.getvalue()
    assert out.getvalue().rstrip("\n").endswith("\x1b[2K")  # the bar is taken away
