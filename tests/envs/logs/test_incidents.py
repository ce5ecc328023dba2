"""Slots under an incident teach nothing: they are left out, listed, and filled from the nearest day that has them."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from bidpilot.envs.logs.decisions import import_decisions
from bidpilot.envs.logs.importers import run_import
from bidpilot.envs.logs.incidents import REASON_INCIDENT, UnderIncident
from bidpilot.envs.logs.storage import load_log
from tests.envs.logs.test_decisions import write

SLOTS = 4
DAYS = ("2026-01-01", "2026-01-02", "2026-01-03")


def _incident(first: int, noticed: int, lasted: float | None, campaign: str = "c") -> UnderIncident:
    return UnderIncident("i", campaign, date(2026, 1, 2), first, noticed, lasted)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Three days of four slots of two campaigns, one auction each; its price is the day's number and the slot's."""
    rows = [
        {
            "key": f"{c}{d}{s}",
            "campaign": c,
            "date": day,
            "slot": s,
            "slots": SLOTS,
            "market_price": d + 1 + s / 10,
            "time": 0.0,
        }
        for c in ("c", "other")
        for d, day in enumerate(DAYS)
        for s in range(SLOTS)
    ]
    return write(tmp_path, *rows)


@pytest.mark.parametrize(
    ("incident", "left_out"),
    [
        (_incident(1, 1, 0.0), [(1, 1)]),  # closed at once
        (_incident(0, 1, 86_400 / SLOTS), [(1, 0), (1, 1), (1, 2)]),  # until a slot later
        (_incident(2, 3, 86_400 / SLOTS + 1), [(1, 2), (1, 3), (2, 0), (2, 1)]),  # over midnight
        (_incident(-1, 0, 0.0), [(0, 3), (1, 0)]),  # its window began on the day before
        (_incident(3, 3, None), [(1, 3), (2, 0), (2, 1), (2, 2), (2, 3)]),  # open until now
    ],
)
def test_slots_from_the_first_window_until_it_was_closed_are_left_out(
    files: Path, incident: UnderIncident, left_out: list[tuple[int, int]]
) -> None:
    found = import_decisions([files], incidents=[incident])
    aside = found.set_aside.filter(found.set_aside["reason"] == REASON_INCIDENT)
    assert sorted(zip(aside["date"], aside["slot"], strict=True)) == [(DAYS[d], s) for d, s in left_out]
    assert set(aside["campaign"]) == {"c"}
    assert found.rows_in + found.copied == found.log.n + found.set_aside.height
    assert any("left out, under an incident: c, 2026-01-0" in note for note in found.log.notes)


def test_an_incident_of_the_bidder_lies_over_every_campaign(files: Path) -> None:
    aside = import_decisions([files], incidents=[_incident(1, 1, 0.0, campaign="")]).set_aside
    assert set(aside["campaign"]) == {"c", "other"}


def test_a_slot_that_is_left_out_is_that_of_the_nearest_day_which_has_it(files: Path) -> None:
    """No slot is left empty: that would teach that no traffic came."""
    log = import_decisions([files], incidents=[_incident(2, 3, 86_400 / SLOTS + 1)]).log
    by_day = {record.label: d for d, record in enumerate(log.days)}
    assert (np.diff(log.offsets, axis=1) == 1).all()
    for day, prices in (("2026-01-02", [2.0, 2.1, 1.2, 1.3]), ("2026-01-03", [2.0, 2.1, 3.2, 3.3])):
        d = by_day[f"c, {day}"]
        found = [float(log.market_price[log.offsets[d, s]]) for s in range(SLOTS)]
        assert found == pytest.approx(prices)


def test_without_incidents_nothing_is_left_out(files: Path) -> None:
    found = import_decisions([files])
    assert (found.copied, found.set_aside.height, found.log.n) == (0, 0, 24)


def test_the_summary_lists_what_was_left_out(files: Path, tmp_path: Path) -> None:
    summary = run_import("decisions", [files], tmp_path / "log", incidents=[_incident(1, 1, 0.0)])
    text = "\n".join(summary.lines())
    assert "rows in 24 = rows kept 23 + rows set aside 1" in text
    assert "1 rows more stand in for slots that were left out" in text
    assert "note: left out, under an incident: c, 2026-01-02, slots 1" in text
    assert load_log(tmp_path / "log").n == 24
