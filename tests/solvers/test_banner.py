"""A solver's own words stay out of the output."""

import subprocess
import sys

import pytest

_USE = "import highspy; h = highspy.Highs(); h.setOptionValue('log_to_console', False); h.run()"
_QUIET = "from bidpilot.solvers.allocation.banner import greet_nobody; greet_nobody(); print('before'); "


@pytest.mark.parametrize(
    ("before", "shown"), [(_QUIET, "before\n"), ("", "Running HiGHS")], ids=["quiet", "as it comes"]
)
def test_highs_does_not_greet_once_it_has_greeted_nobody(before: str, shown: str) -> None:
    out = subprocess.run([sys.executable, "-c", before + _USE], capture_output=True, text=True, check=True).stdout
    assert out.startswith(shown)
    assert ("HiGHS" in out) == (not before)
