"""The texts of experiments say what was asked, what was found, and whether that is enough."""

from __future__ import annotations

from typing import Any

import pytest

from docs.figures.experiments import TEXTS
from docs.figures.record import Record, Step

SIMULATED = {
    "method": "interval",
    "truth": "+2%",
    "found": 0.031,
    "median": 14.0,
    "bar": "at most 15 days",
    "met": True,
}
PLANNED = {
    "design": "split",
    "metric": "expected KPI",
    "std": 0.0113,
    "days": 1400,
    "median_days": None,
    "durations": [14, 28],
    "least_effects": [None, 0.012],
}
ROWS: list[dict[str, Any]] = [
    SIMULATED,
    SIMULATED | {"truth": "equal arms", "median": None, "bar": "at most 5%", "met": False},
    SIMULATED | {"method": "t-test", "bar": None, "met": None},
    PLANNED,
    *(
        {"control": "plan", "design": design, "difference": difference}
        for design, difference in (("switchback", -0.178), ("split", -0.174), ("shared", 0.503))
    ),
]


@pytest.fixture
def records() -> dict[str, Record]:
    return {"experiments": Record({}, [Step("x", None, ROWS)])}


def test_bars_are_told_with_whether_they_are_met(records: dict[str, Record]) -> None:
    assert TEXTS["experiments"](records).splitlines()[2:] == [  # type: ignore[arg-type]
        "| interval | +2 % | 3.1 % | 14 | at most 15 days, met |",
        "| interval | equal arms | 3.1 % |  | at most 5 %, missed |",
        "| t-test | +2 % | 3.1 % | 14 |  |",
    ]


def test_durations_are_told_where_there_are_some(records: dict[str, Record]) -> None:
    head, _, line = TEXTS["experiments-plan"](records).splitlines()  # type: ignore[arg-type]
    assert head.endswith("| days for 2 % | median | 14 days find | 28 days find |")
    assert line == "| split | expected KPI | 0.011 | 1,400 |  |  | 1.2 % |"


def test_the_three_designs_stand_side_by_side(records: dict[str, Record]) -> None:
    text = TEXTS["experiments-shared"](records)  # type: ignore[arg-type]
    assert [text.index(change) for change in ("-17.8 %", "-17.4 %", "+50.3 %")] == sorted(
        text.index(change) for change in ("-17.8 %", "-17.4 %", "+50.3 %")
    )
