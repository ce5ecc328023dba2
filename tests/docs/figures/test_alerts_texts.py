"""The tables of alarms say what was asked, what was reached, and whether that is enough."""

from __future__ import annotations

from docs.figures.alerts import TEXTS
from docs.figures.record import Record, Step

SHOCK = {
    "case": "traffic -30%", "bar": "80 % found", "met": True, "days": 512, "alarm_days": 0.75, "alarms_a_day": 0.8,
    "by_risk": {"platform_shock": 0.7}, "judged": 400, "found": 0.8375, "median": 7.0, "late": None,
}  # fmt: skip
HONEST = {**SHOCK, "case": "honest days", "met": False, "alarm_days": 0.081, "found": None, "median": None}
SUITE = {
    **HONEST,
    "case": "steady",
    "bar": None,
    "met": None,
    "by_risk": {"platform_shock": 0.01, "miscalibration": 0.02},
}
RESPONSES = {
    "suite": "daily", "days": 256, "incidents": 0.1, "told": 0.08, "throttled": 0.07, "paused": 0.05, "stopped": 0.0,
}  # fmt: skip
RECORDS = {
    "alerts": Record({}, [Step("bidpilot alerts --seed 3", 60.0, [HONEST, SHOCK, SUITE])]),
    "honest": Record({}, [Step("bidpilot incidents honest --seed 3", 60.0, [RESPONSES])]),
}


def test_bars_are_told_with_whether_they_are_met() -> None:
    honest, shock = TEXTS["alerts"](RECORDS).splitlines()[2:]  # type: ignore[arg-type]
    assert honest == "| honest days | 80 % found | missed |  |  |  | 8.1 % | 24.0 |"
    assert shock == "| traffic -30% | 80 % found | met | 83.8 % | 7 | - | 75.0 % | 24.0 |"


def test_suites_show_their_commonest_risks_first() -> None:
    (line,) = TEXTS["alerts-suites"](RECORDS).splitlines()[2:]  # type: ignore[arg-type]
    assert line.endswith("| miscalibration 2.0 % and platform shock 1.0 % |")


def test_the_command_is_named_with_its_days() -> None:
    assert TEXTS["alerts-command"](RECORDS).startswith("`bidpilot alerts --seed 3` plays 512 held-out days")  # type: ignore[arg-type]


def test_responses_on_honest_days_are_told_by_level() -> None:
    (*_, line) = TEXTS["honest"](RECORDS).splitlines()  # type: ignore[arg-type]
    assert line == "| `daily` | 256 | 3.0 | 8.0 % | 7.0 % | 5.0 % | 0.0 % |"
