"""Facts about the changes: each is one place, the file still parses, and what is no arithmetic is left alone."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.mutants.catalogue import TARGETS
from tests.mutants.operators import mutants

ROOT = Path(__file__).resolve().parents[2]


def after(source: str) -> set[str]:
    return {mutant.after for mutant in mutants(source)}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = a + b", {"x = a - b"}),
        ("x = a * (b)", {"x = a / (b)"}),
        ("x = a ** 2", {"x = a * 2", "x = a ** 3"}),
        ("x = 1 if a <= b else c", {"x = 2 if a <= b else c", "x = 1 if a < b else c"}),
        ("x = a < b < c", {"x = a <= b < c", "x = a < b <= c"}),
        ("x = not a and -b", {"x = a and -b", "x = not a or -b", "x = not a and b"}),
        ("x = not (a)", {"x = (a)"}),
        ("x = -(a + b)", {"x = (a + b)", "x = -(a - b)"}),
        ("x -= 0.5", {"x += 0.5", "x -= 1.5"}),
        ("x = min(a, np.maximum(b, c))", {"x = max(a, np.maximum(b, c))", "x = min(a, np.minimum(b, c))"}),
        ("x = a is not None", {"x = a is None"}),
        ("x = True", {"x = False"}),
        ("def f(a: int = 3) -> int:\n    return a", {"def f(a: int = 4) -> int:", "    return None"}),
    ],
)
def test_each_operator_has_its_opposite(source: str, expected: set[str]) -> None:
    assert after(source) == expected


@pytest.mark.parametrize(
    "source",
    [
        '"""Two and 2."""',
        "raise ValueError(f'{a + 1}')",
        "x = f'{a + 1}'",
        "x: int | None",
        "def f() -> None:\n    return None",
        "@numba.njit(cache=True)\ndef f(a):\n    return a + 1",
    ],
)
def test_texts_types_errors_and_compiled_functions_are_left_alone(source: str) -> None:
    assert after(source) == set()


def test_a_place_is_its_line() -> None:
    (mutant,) = mutants('"""é"""\n\nx = (\n    a  # é\n    + b\n)\n')
    assert (mutant.line, mutant.before, mutant.after) == (5, "    + b", "    - b")


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.file)
def test_every_target_has_changes_that_parse_and_tests_that_exist(target: object) -> None:
    file, tests = target.file, target.tests  # type: ignore[attr-defined]
    source = (ROOT / file).read_text()
    found = list(mutants(source))
    assert found
    for mutant in found:
        ast.parse(mutant.source)
        assert mutant.source != source
    assert all((ROOT / test).is_file() for test in tests)
