"""Units from decision logs: arms are campaigns, units are days that both were served."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from bidpilot.bidding.errors import InvalidExperiment, NoFilesMatched
from bidpilot.training.experiments.decisions import decision_units

ROW: dict[str, Any] = {
    "key": "", "campaign": "old", "date": "2026-01-01", "exposure": 0.5, "interaction": 0.25, "conversion": 0.125,
    "result": "lost", "cost": 0.0, "market_price": 0.25,
}  # fmt: skip


def write(folder: Path, rows: list[dict[str, Any]], outcomes: list[tuple[str, float, float]] = ()) -> None:  # type: ignore[assignment]
    frame = pl.DataFrame([ROW | row for row in rows]).with_columns(pl.col("market_price").cast(pl.Float64))
    frame.write_parquet(folder / "decisions-1.parquet")
    told = pl.DataFrame(outcomes, ["key", "interaction", "conversion"], orient="row")
    if outcomes:
        told.write_parquet(folder / "outcomes-1.parquet")


def test_a_day_of_both_campaigns_is_a_unit(tmp_path: Path) -> None:
    rows = [
        {"campaign": campaign, "date": date, "key": f"{campaign} {date} {k}", "result": "won", "cost": 0.5}
        for campaign in ("old", "new")
        for date in ("2026-01-02", "2026-01-01")
        for k in range(3 if campaign == "old" else 5)
    ]
    rows += [{"campaign": "new", "date": "2026-01-03", "result": "won"}, {"campaign": "other"}, {}, {"campaign": "new"}]
    write(tmp_path, rows, [("old 2026-01-01 0", 2.0, 1.0), ("old 2026-01-01 0", 1.0, 0.0), ("gone", 9.0, 9.0)])
    units = decision_units(tmp_path, ("old", "new"))
    assert units.labels == ("2026-01-01", "2026-01-02")
    assert units.wins.tolist() == [[3.0, 5.0], [3.0, 5.0]]
    assert units.spend.tolist() == [[1.5, 2.5], [1.5, 2.5]]
    assert units.expected[0].tolist() == [[1.5, 0.75, 0.375], [2.5, 1.25, 0.625]]
    assert units.realised[0].tolist() == [[1.5, 3.0, 1.0], [2.5, 0.0, 0.0]]
    assert units.offered[0, :, 0].tolist() == [4.0, 6.0]  # the lost requests are among them
    assert units.known_offered == (0, 1, 2, 3, 4)
    assert units.offered[0, :, 2:].tolist() == [[0.25, 4.0, 1.0], [0.25, 6.0, 1.5]]  # price, bought, cost: all alike


def test_prices_are_no_covariate_where_some_were_not_told(tmp_path: Path) -> None:
    write(tmp_path, [{"campaign": c, "market_price": None if c == "new" else 1.0} for c in ("old", "new")])
    assert decision_units(tmp_path, ("old", "new")).known_offered == (0, 1)


def test_logs_without_both_campaigns_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NoFilesMatched):
        decision_units(tmp_path, ("old", "new"))
    write(tmp_path, [{}])
    with pytest.raises(InvalidExperiment, match=r"no day of .* has both old and new; there is old"):
        decision_units(tmp_path, ("old", "new"))
    with pytest.raises(InvalidExperiment, match="--arms CAMPAIGN CAMPAIGN"):
        decision_units(tmp_path, ())
