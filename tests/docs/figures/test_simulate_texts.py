"""The texts of what-if answers and off-policy estimates tell coverage, refusals and error."""

from __future__ import annotations

from typing import Any

import pytest

from docs.figures.record import Record, Step
from docs.figures.simulate import TEXTS

COVERAGE: dict[str, Any] = {
    "kind": "one day",
    "metric": "cpa",
    "level": 0.95,
    "covered": 0.951,
    "worst": 0.934,
    "scenario": "budget +20%",
    "of": 8192,
}
TRUTH: dict[str, Any] = {
    "log": "explored",
    "metric": "utility",
    "candidates": 100,
    "refused": 20,
    "covered": 76,
    "bias": -0.0012,
    "error": 0.0123,
    "width": 0.0498,
}


@pytest.fixture
def records() -> dict[str, Record]:
    nothing = {"refused": 100, "covered": 0, "bias": None, "error": None, "width": None}
    return {
        "what-if": Record({}, [Step("x", None, [COVERAGE, COVERAGE | {"level": 0.8, "covered": 0.8, "worst": 0.75}])]),
        "off-policy": Record({}, [Step("x", None, [TRUTH, TRUTH | nothing])]),
    }


def test_coverage_stands_by_level_beside_that_of_the_worst_scenario(records: dict[str, Record]) -> None:
    line = TEXTS["what-if"](records).splitlines()[2]  # type: ignore[arg-type]
    assert line == "| one day | CPA | 80.0 % | 75.0 % | 95.1 % | 93.4 % | 8,192 |"


def test_candidates_are_counted_and_those_that_were_refused_are_not_judged(records: dict[str, Record]) -> None:
    told, none = TEXTS["off-policy"](records).splitlines()[2:]  # type: ignore[arg-type]
    assert told == "| explored | utility | 100 | 20 | 95 % | -0.1 % | 1.2 % | 5.0 % |"
    assert none == "| explored | utility | 100 | 100 |  |  |  |  |"
