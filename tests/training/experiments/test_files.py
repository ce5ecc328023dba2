"""Units of an experiment as files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from bidpilot.bidding.errors import InvalidExperiment
from bidpilot.training.experiments.files import read_units, write_units
from bidpilot.training.experiments.units import COLUMNS
from tests.training.experiments.conftest import MakeUnits


@pytest.mark.parametrize("ending", ["json", "parquet"])
@pytest.mark.parametrize("arms", [("a", "b"), ("mpc", "mpc")])
def test_what_is_written_is_read(tmp_path: Path, make_units: MakeUnits, ending: str, arms: tuple[str, str]) -> None:
    units = make_units(
        5,
        arms=arms,
        design="switchback",
        ideal=((1.0, 2.0, 3.0), (4.0, 5.0, 6.0)),
        invalid_wins=np.full((5, 2), np.nan),
    )
    write_units(tmp_path / f"units.{ending}", units)
    again = read_units(tmp_path / f"units.{ending}")
    for name in COLUMNS:
        assert np.array_equal(getattr(units, name), getattr(again, name), equal_nan=True), name
    fields = ("arms", "labels", "design", "shares", "preference", "kind", "ideal")
    assert [getattr(units, name) for name in fields] == [getattr(again, name) for name in fields]


def test_rows_of_others_need_no_more_than_arms(tmp_path: Path, make_units: MakeUnits) -> None:
    write_units(tmp_path / "units.parquet", make_units(20))
    rows = pl.read_parquet(tmp_path / "units.parquet").drop("assigned", "invalid_wins", "offered_price", "offered_cost")
    rows.sample(fraction=1.0, shuffle=True, seed=1).write_parquet(tmp_path / "bare.parquet")
    with pytest.raises(InvalidExperiment, match="which arm is the control"):
        read_units(tmp_path / "bare.parquet")
    units = read_units(tmp_path / "bare.parquet", ("b", "a"))
    assert units.arms == ("b", "a")
    assert units.known_offered == (0, 1, 3)
    assert np.isnan(units.assigned).all()


def test_faults_are_named(tmp_path: Path, make_units: MakeUnits) -> None:
    path = tmp_path / "units.json"
    write_units(path, make_units(3))
    told = json.loads(path.read_text())

    def fault(rows: list[dict[str, object]]) -> str:
        path.write_text(json.dumps(told | {"rows": rows}))
        with pytest.raises(InvalidExperiment) as caught:
            read_units(path)
        return str(caught.value)

    rows = told["rows"]
    assert "unit day 2" in fault(rows[:-1])
    assert "has arms a, not a and b" in fault(rows[:-1])
    assert "has arm b twice" in fault([*rows, rows[-1]])
    assert "has no spend" in fault([{k: v for k, v in row.items() if k != "spend"} for row in rows])
    assert "negative or no number" in fault([row | {"wins": -1.0} for row in rows])
    assert "without a unit" in fault([])
    path.write_text("nothing")
    with pytest.raises(InvalidExperiment, match="is no experiment's file"):
        read_units(path)
    with pytest.raises(InvalidExperiment, match=r"\.json or \.parquet"):
        write_units(tmp_path / "units.csv", make_units(3))
